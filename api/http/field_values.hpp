// The values of header fields and parameters, read as their RFCs have them. Pure; what is not understood is told as such,
// and nothing is guessed.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace reprise::api {

std::optional<std::uint64_t> whole_number(std::string_view s); // digits and nothing else

// Whether an If-None-Match names this (strong) ETag.
bool matches_etag(std::string_view if_none_match, std::string_view etag);

// `Prefer: wait=N` (RFC 7240, 4.3): seconds, 60 at most; 0 if the request does not ask to be held, or not in a way that is
// understood.
std::int64_t preferred_wait(std::string_view prefer);

// What an Idempotency-Key says: 1 to 255 visible characters. A structured-field string is quoted; many clients leave the
// quotes out. Nothing for anything else.
std::optional<std::string_view> idempotency_key(std::string_view field);

// A caller's own name for a request, for logs on both sides: 1 to 128 letters, digits, dots, dashes and underscores.
std::optional<std::string_view> request_id(std::string_view field);

struct byte_range {
    std::uint64_t offset, size;
};
// RFC 9110, 14.1.2, of `size` bytes. Nothing for a range that is not understood (then the whole is sent; several ranges are
// not understood on purpose: they multiply the work); size 0 for one that cannot be satisfied.
std::optional<byte_range> read_range(std::string_view range, std::uint64_t size);

// The query of a target, decoded. Nothing for malformed percent encoding.
std::optional<std::map<std::string, std::string, std::less<>>> parse_query(std::string_view query);

} // namespace reprise::api
