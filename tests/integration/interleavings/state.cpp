#include "tests/integration/interleavings/state.hpp"

#include "tests/integration/interleavings/call.hpp"

#include <algorithm>

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

bool state::has_unread_ticket(const run_state& r) const {
    return std::ranges::any_of(stream_of(r).unread, [&](const ticket_state& t) { return t.id == r.ticket; });
}

std::string_view state::pause_of(std::string_view what) const {
    for (const auto& [name, facts] : paused)
        if (name == what)
            return facts;
    return {};
}

std::string_view state::paused_by(const run_state& r) const {
    const auto find = [&](std::string_view kind, std::string_view value) -> std::string_view {
        for (const auto& [name, facts] : paused)
            if (name.starts_with(kind) && name.substr(kind.size()) == value)
                return name;
        return {};
    };
    const auto project = find("project:", r.project);
    return project.empty() ? find("mode:", run_mode) : project;
}

} // namespace reprise::interleavings
