#include "common/json/utf8.hpp"

#include <algorithm>

namespace reprise {
namespace {

// Length of the well-formed sequence at the front of `s` (Unicode 15, table 3-7), or 0.
std::size_t sequence(std::string_view s) {
    const auto at = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    const auto tail = [&](std::size_t i) { return (at(i) & 0xC0u) == 0x80u; };
    const unsigned a = at(0), b = at(1);
    if (a < 0x80)
        return 1;
    if (a >= 0xC2 && a <= 0xDF)
        return tail(1) ? 2 : 0;
    if (a >= 0xE0 && a <= 0xEF) {
        const bool second = a == 0xE0 ? b >= 0xA0 && b <= 0xBF : a == 0xED ? b >= 0x80 && b <= 0x9F : tail(1);
        return second && tail(2) ? 3 : 0;
    }
    if (a >= 0xF0 && a <= 0xF4) {
        const bool second = a == 0xF0 ? b >= 0x90 && b <= 0xBF : a == 0xF4 ? b >= 0x80 && b <= 0x8F : tail(1);
        return second && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

} // namespace

bool is_utf8(std::string_view s) {
    while (!s.empty()) {
        const auto n = sequence(s);
        if (n == 0)
            return false;
        s.remove_prefix(n);
    }
    return true;
}

std::string as_utf8(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    while (!s.empty()) {
        const auto n = sequence(s);
        out += n == 0 ? std::string_view("\xEF\xBF\xBD") : s.substr(0, n);
        s.remove_prefix(std::max<std::size_t>(n, 1));
    }
    return out;
}

std::size_t code_points(std::string_view s) {
    return static_cast<std::size_t>(
        std::ranges::count_if(s, [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::string_view utf8_prefix(std::string_view s, std::size_t bytes) {
    if (s.size() <= bytes)
        return s;
    while (bytes > 0 && (static_cast<unsigned char>(s[bytes]) & 0xC0u) == 0x80u)
        --bytes;
    return s.substr(0, bytes);
}

} // namespace reprise
