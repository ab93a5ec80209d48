#pragma once
#include <string_view>

namespace reprise {

// Crockford's base 32 in lower case: no i, l, o, u.
inline constexpr std::string_view base32_alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

} // namespace reprise
