#include "tests/integration/interleavings/state.hpp"

namespace reprise::interleavings {

std::optional<std::int64_t> score_of(const scores& s, std::string_view member) {
    for (const auto& [name, score] : s)
        if (name == member)
            return score;
    return std::nullopt;
}

std::int64_t state::stat(std::string_view name) const {
    return score_of(stats, name).value_or(0);
}

const run_state& state::run(std::size_t i) const {
    static const run_state none;
    return i < runs.size() ? runs[i] : none;
}

} // namespace reprise::interleavings
