#include "worker/steps/step.hpp"

namespace reprise::worker {

step_result verify_inputs(step_context& c) {
    step_outcome o;
    for (const auto& [name, blob] : c.space.inputs()) {
        const auto bytes = co_await c.space.read_input(name);
        if (!bytes)
            co_return failed(bytes.error().code, bytes.error().message);
        o.log += name + ": " + std::to_string(blob.bytes) + " bytes, sha256 " + blob.sha256 + "\n";
    }
    if (!c.space.inputs().contains("openapi"))
        co_return failed(errc::inputs_corrupt, "the run retained no OpenAPI document");
    co_return o;
}

} // namespace reprise::worker
