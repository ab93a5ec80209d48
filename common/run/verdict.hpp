// How a run ends, from what its steps found. Pure.
#pragma once
#include "common/run/lifecycle.hpp"

#include <string_view>

namespace reprise {

struct findings {
    bool gate = false; // a quality gate ran
    int lint_errors = 0;
    int lint_warnings = 0;
    bool optional_step_failed = false;
};

struct ending {
    run_status status;
    std::string_view verdict;
};

// For a run whose required steps all succeeded. Any other run is failed/failed.
constexpr ending ending_of(const findings& f) {
    if (f.lint_errors > 0 || f.optional_step_failed)
        return {run_status::complete, "not_ready"};
    if (!f.gate)
        return {run_status::complete, "generated"};
    if (f.lint_warnings > 0)
        return {run_status::complete, "needs_review"};
    return {run_status::ready, "ready"};
}

} // namespace reprise
