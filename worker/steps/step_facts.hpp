#pragma once
#include "worker/steps/step.hpp"

#include <string>
#include <string_view>

namespace reprise::worker {

// What the API shows of a step, and what a later attempt goes by: a JSON object that begins with the step's name. `outcome` of
// a step that has ended, else null.
std::string step_facts(const step_rule& rule, std::string_view status, int attempt,
                       const step_outcome* outcome = nullptr);

} // namespace reprise::worker
