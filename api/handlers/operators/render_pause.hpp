// What is paused, as a member of an answer.
#pragma once
#include "api/fleet.hpp"
#include "common/json/writer.hpp"

#include <string_view>
#include <vector>

namespace reprise::api {

// Organisations hear of pauses of all and of modes; of projects only operators, since they are somebody's.
inline void write_pauses(json::writer& w, const std::vector<pause_facts>& pauses, bool with_projects) {
    w.key("paused").begin_array();
    for (const auto& p : pauses) {
        const auto colon = p.what.find(':');
        const auto kind = std::string_view(p.what).substr(0, colon);
        if (kind == "project" && !with_projects)
            continue;
        w.begin_object().member("what", kind);
        if (colon != std::string::npos)
            w.member("name", std::string_view(p.what).substr(colon + 1));
        w.member("since", rfc3339(p.since)).member("by", p.by).optional("reason", p.reason).end_object();
    }
    w.end_array();
}

} // namespace reprise::api
