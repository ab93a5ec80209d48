// What happened to a run, as watchers are told it: the same whether it comes from the live feed or from the run's hash.
#pragma once
#include "common/queue/records.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

struct run_event {
    std::int64_t seq = 0; // of the run: 1, 2, 3 ...
    unix_ms at = 0;
    std::string type; // run.<status> or step.<status>
    std::string step; // its name; empty for run.*
    std::string by;   // who did it; known of transitions from the run's hash

    bool is_end() const; // nothing follows, but perhaps its expiry much later
    // As a Server-Sent Event: id, event, data.
    std::string text(std::string_view run) const;
};

// The events after `seq` that the hash still tells of, in order: by its `history`, and by its `steps` and `trail`, with `created`.
std::vector<run_event> events_after(std::int64_t seq, const run_record& r);

} // namespace reprise::api
