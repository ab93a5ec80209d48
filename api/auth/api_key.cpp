#include "api/auth/api_key.hpp"

#include "common/crypto/digest.hpp"
#include "common/run/id.hpp"

#include <boost/crc.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace reprise::api {
namespace {

constexpr std::size_t id_size = 12, secret_size = 32, checksum_size = 8;

std::string checksum(std::string_view s) {
    boost::crc_32_type crc;
    crc.process_bytes(s.data(), s.size());
    return fmt::format("{:08x}", crc.checksum());
}

bool is_base32(std::string_view s) {
    return std::ranges::all_of(s, [](char c) { return base32_alphabet.find(c) != std::string_view::npos; });
}

} // namespace

std::string api_key::text() const {
    const auto head = "rp_" + id + "_" + secret;
    return head + checksum(head);
}

std::string api_key::secret_digest() const {
    return sha256_hex(secret);
}

api_key make_api_key() {
    return {random_base32(id_size), random_base32(secret_size)};
}

std::optional<api_key> parse_api_key(std::string_view text) {
    if (text.size() != 3 + id_size + 1 + secret_size + checksum_size || !text.starts_with("rp_") ||
        text[3 + id_size] != '_')
        return std::nullopt;
    const auto head = text.substr(0, text.size() - checksum_size);
    api_key k{std::string(head.substr(3, id_size)), std::string(head.substr(3 + id_size + 1))};
    if (!is_base32(k.id) || !is_base32(k.secret) || checksum(head) != text.substr(head.size()))
        return std::nullopt;
    return k;
}

} // namespace reprise::api
