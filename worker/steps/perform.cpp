// One step: its builtin first, then its command.
#include "worker/steps/step.hpp"

#include <filesystem>

namespace reprise::worker {

step_outcome failed(errc code, std::string message) {
    step_outcome o;
    o.what = step_outcome::kind::failed;
    o.log = std::string(code_of(code)) + ": " + message + "\n";
    o.error = failure{code, std::move(message)};
    return o;
}

namespace {

step_result run_builtin(step_context& c) {
    if (c.rule.builtin == "verify_inputs")
        return verify_inputs(c);
    if (c.rule.builtin == "validate_spec")
        return validate_spec(c);
    return quality_gate(c);
}

bool is_here(const step_context& c) {
    if (c.rule.tool.empty())
        return true;
    std::error_code ec;
    return std::filesystem::exists(c.tools.at(c.rule.tool), ec);
}

} // namespace

step_result perform(step_context& c) {
    step_outcome first;
    if (!c.rule.builtin.empty() && c.rule.builtin != "noop") {
        first = co_await run_builtin(c);
        if (first.what != step_outcome::kind::completed || c.rule.argv.empty())
            co_return first;
    }
    if (c.rule.argv.empty())
        co_return first;
    if (!is_here(c)) {
        auto missing = failed(errc::tool_missing, "the tool " + c.rule.tool + " is not installed on this worker");
        missing.what = step_outcome::kind::blocked;
        co_return missing;
    }

    // The command sees what the builtin made: it is recorded only when the whole step is.
    auto second = co_await run_command(c);
    second.log = first.log + second.log;
    second.artifacts.insert(second.artifacts.begin(), std::make_move_iterator(first.artifacts.begin()),
                            std::make_move_iterator(first.artifacts.end()));
    co_return second;
}

} // namespace reprise::worker
