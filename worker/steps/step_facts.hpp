#pragma once
#include "common/queue/records.hpp"
#include "worker/steps/step.hpp"

#include <optional>
#include <string>

namespace reprise::worker {

// What the API shows of a step, and what a later attempt goes by: `<attempt> <name>`, and a JSON object with what else
// there is to say. `outcome` of a step that has ended, else null.
std::string step_facts(const step_rule& rule, int attempt, const step_outcome* outcome = nullptr);

// What an earlier attempt told of a step; nothing if it was another step, of another pipeline, that stands in its place.
struct told_of_step {
    std::string status;
    int next_attempt = 1;
    bool done = false;
};
std::optional<told_of_step> told_of(const step_rule& rule, const std::optional<step_record>& before);

} // namespace reprise::worker
