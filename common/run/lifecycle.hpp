// The life of a run. Statuses and transitions come from lifecycle.json, which the Redis functions share.
//
//             claim                    finish
//   queued ----------> running ---------------------> ready | complete | failed
//     ^  |   release,    |  |
//     |  |   lease lost  |  +------ cancel ---------> canceled   (from queued, running, blocked)
//     |  +---<-----------+
//     +----- unblock -- blocked                       expired    (from a terminal status, or past the queue
//     TTL)
#pragma once
#include "common/run/lifecycle_table.hpp" // generated

#include <optional>
#include <string_view>

namespace reprise {

constexpr std::string_view name_of(run_status s) {
    return run_status_names[static_cast<std::size_t>(s)];
}

constexpr std::optional<run_status> status_of(std::string_view name) {
    for (std::size_t i = 0; i < run_status_names.size(); ++i)
        if (run_status_names[i] == name)
            return static_cast<run_status>(i);
    return std::nullopt;
}

constexpr bool is_terminal(run_status s) {
    return (lifecycle_table::terminal & lifecycle_table::bit(s)) != 0;
}

constexpr bool may(transition t, run_status from) {
    return (lifecycle_table::from[static_cast<std::size_t>(t)] & lifecycle_table::bit(from)) != 0;
}

} // namespace reprise
