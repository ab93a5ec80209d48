// What a step is given and what it answers.
#pragma once
#include "common/error.hpp"
#include "common/run/verdict.hpp"
#include "worker/lease_book.hpp"
#include "worker/pipeline/pipeline.hpp"
#include "worker/steps/artifacts.hpp"
#include "worker/steps/workspace.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace reprise::worker {

struct step_outcome {
    enum class kind {
        completed,
        failed,    // for good
        temporary, // worth trying again later
        blocked,   // the tool it needs is not here
        stopped    // the run was taken from us, or is wanted back: nothing is recorded
    } what = kind::completed;
    std::optional<failure> error;
    int exit_code = -1, signal = 0; // of the command; -1 and 0: none
    std::string log;                // what becomes logs/<step>.txt; empty: no log
    std::vector<produced_file> artifacts;
    std::string quality; // JSON; from the quality gate
};

struct step_context {
    const step_rule& rule;
    workspace& space;
    held_run& held;
    const std::map<std::string, std::string>& tools;
    std::int64_t run_deadline; // CLOCK_BOOTTIME ms
    const std::string& path;   // PATH of commands
    std::string_view trace;    // the caller's traceparent, or empty
};

using step_result = boost::asio::awaitable<step_outcome>;

step_outcome failed(errc code, std::string message);

// Runs the builtin, if the rule has one, and then the command, if it has one.
step_result perform(step_context& c);

// --- builtins ---
step_result verify_inputs(step_context& c);         // every retained input is what was retained
step_result validate_spec(step_context& c);         // a bounded, canonical document/openapi.json, or why not
step_result quality_gate(step_context& c);          // what the lint found
void judged(std::string_view quality, findings& f); // adds what the gate's `quality` says
// --- commands ---
step_result run_command(step_context& c);

inline constexpr const char* document_key = "document/openapi.json";
inline constexpr const char* lint_key = "reports/lint.json";

} // namespace reprise::worker
