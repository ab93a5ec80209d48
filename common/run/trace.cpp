#include "common/run/trace.hpp"

#include "common/crypto/digest.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace reprise {
namespace {

bool is_hex(std::string_view s) {
    return s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view s) {
    return is_hex(s) && s.find_first_not_of('0') != std::string_view::npos;
}

} // namespace

std::string continued_trace(std::string_view t) {
    // 00-<32 trace id>-<16 parent id>-<2 flags>
    if (t.size() != 55 || !t.starts_with("00-") || t[35] != '-' || t[52] != '-')
        return {};
    if (!is_id(t.substr(3, 32)) || !is_id(t.substr(36, 16)) || !is_hex(t.substr(53)))
        return {};
    return std::string(t);
}

std::string new_trace() {
    std::array<std::uint64_t, 3> ids{};
    do
        fill_random(ids.data(), sizeof ids);
    while ((ids[0] == 0 && ids[1] == 0) || ids[2] == 0);
    return fmt::format("00-{:016x}{:016x}-{:016x}-00", ids[0], ids[1], ids[2]);
}

} // namespace reprise
