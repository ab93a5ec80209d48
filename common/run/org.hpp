#pragma once
#include <algorithm>
#include <string_view>

namespace reprise {

// Names of organisations and users: they become part of keys and of paths.
constexpr bool is_org_name(std::string_view s) {
    return !s.empty() && s.size() <= 64 && s.front() != '-' && s.front() != '.' && std::ranges::all_of(s, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

} // namespace reprise
