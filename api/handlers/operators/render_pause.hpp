// What is paused, as a member of an answer.
#pragma once
#include "api/fleet.hpp"
#include "common/json/writer.hpp"

#include <string_view>
#include <vector>

namespace reprise::api {

// Organisations hear of pauses of all and of modes, and why; of projects, which are somebody's, and of who it was, only
// operators do.
inline void write_pauses(json::writer& w, const std::vector<pause_facts>& pauses, bool to_operator) {
    w.key("paused").begin_array();
    for (const auto& p : pauses) {
        const auto colon = p.what.find(':');
        const auto kind = std::string_view(p.what).substr(0, colon);
        if (kind == "project" && !to_operator)
            continue;
        w.begin_object().member("what", kind);
        if (colon != std::string::npos)
            w.member("name", std::string_view(p.what).substr(colon + 1));
        w.member("since", rfc3339(p.since)).optional("by", to_operator ? p.by : "").optional("reason", p.reason);
        w.end_object();
    }
    w.end_array();
}

} // namespace reprise::api
