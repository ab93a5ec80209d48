// Modes of runs and projects, as the contract names them; see the retry contract's enums.
#pragma once
#include <optional>
#include <string_view>

namespace reprise {

// What a new write stores for a mode that a caller names: older names go on as their successors.
constexpr std::optional<std::string_view> stored_mode(std::string_view asked) {
    if (asked == "flagship" || asked == "custom" || asked == "openapi")
        return "flagship";
    if (asked == "stainless_compatible" || asked == "stainless" || asked == "stainless_migration")
        return "stainless_compatible";
    if (asked == "reference-sample")
        return "reference-sample";
    return std::nullopt;
}

constexpr bool needs_config(std::string_view mode) {
    return mode == "stainless_compatible" || mode == "stainless" || mode == "stainless_migration";
}

} // namespace reprise
