#include "worker/steps/step.hpp"

#include "common/json/document.hpp"
#include "common/json/writer.hpp"

namespace reprise::worker {

// The lint report carries its totals: {"totals": {"errors", "warnings", "ignored"}, "problems": [...]}.
step_result quality_gate(step_context& c) {
    if (!c.space.has_artifact(lint_key))
        co_return failed(errc::step_output_missing, "there is no lint report to judge by");
    const auto report = co_await c.space.read_artifact(lint_key);
    if (!report)
        co_return failed(report.error().code, report.error().message);
    const auto tree = json::parse(*report);
    const auto* totals = tree ? json::find(*tree, "totals") : nullptr;
    if (!totals)
        co_return failed(errc::step_failed, "the lint report is not one");

    const auto errors = json::number_at(*totals, "errors"), warnings = json::number_at(*totals, "warnings");
    json::writer w;
    w.begin_object().key("lint").begin_object().member("errors", errors).member("warnings", warnings).end_object();
    w.end_object();
    step_outcome o;
    o.quality = w.take();
    o.log = std::to_string(errors) + " lint errors, " + std::to_string(warnings) + " lint warnings\n";
    co_return o;
}

void judged(std::string_view quality, findings& f) {
    f.gate = true;
    const auto tree = json::parse(quality);
    const auto* lint = tree ? json::find(*tree, "lint") : nullptr;
    if (!lint)
        return;
    f.lint_errors = static_cast<int>(json::number_at(*lint, "errors"));
    f.lint_warnings = static_cast<int>(json::number_at(*lint, "warnings"));
}

} // namespace reprise::worker
