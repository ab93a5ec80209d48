#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace reprise {

bool is_utf8(std::string_view s);            // strict: no overlong forms, surrogates or values over U+10FFFF
std::string as_utf8(std::string_view s);     // a copy with every invalid byte replaced by U+FFFD
std::size_t code_points(std::string_view s); // of valid UTF-8
// At most `bytes` bytes from the front, cut between code points.
std::string_view utf8_prefix(std::string_view s, std::size_t bytes);

} // namespace reprise
