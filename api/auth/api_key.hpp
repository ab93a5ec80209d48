// API keys: rp_<keyId>_<secret><crc32>. The prefix and the checksum let a leaked key be found and told from
// noise; only the keyId and the secret's digest are stored. Pure.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace reprise::api {

struct api_key {
    std::string id;     // 12 characters
    std::string secret; // 32 characters, 160 bits

    std::string text() const;
    std::string secret_digest() const;
};

api_key make_api_key();
// Nothing for anything that is not a key of ours, checksum included.
std::optional<api_key> parse_api_key(std::string_view text);

inline constexpr std::array<std::string_view, 4> known_scopes{"runs:read", "runs:write", "ops:read", "ops:write"};

} // namespace reprise::api
