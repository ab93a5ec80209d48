#pragma once
#include "common/queue/records.hpp"
#include "worker/steps/step.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace reprise::worker {

// What the API shows of a step, and what a later attempt goes by: a JSON object that begins with the step's name. `outcome` of
// a step that has ended, else null.
std::string step_facts(const step_rule& rule, std::string_view status, int attempt,
                       const step_outcome* outcome = nullptr);

// What an earlier attempt told of a step; nothing if it was another step, of another pipeline, that stands in its place.
struct told_of_step {
    std::string status;
    int next_attempt = 1;
    bool done = false;
};
std::optional<told_of_step> told_of(const step_rule& rule, const std::optional<step_record>& before);

} // namespace reprise::worker
