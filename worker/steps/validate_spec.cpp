// Makes the canonical document that all later steps read: JSON, within limits, complete in itself. What the
// generators see is therefore what was checked, whatever their own parsers make of YAML.
#include "worker/steps/step.hpp"

#include "common/async/on_pool.hpp"
#include "common/openapi/read_document.hpp"

namespace reprise::worker {
namespace {

struct canonical {
    std::string json;
    openapi::document_facts facts;
};

result<canonical> canonicalise(const std::string& text) {
    const auto tree = openapi::read_document(text);
    if (!tree)
        return tree.error();
    auto facts = openapi::check_openapi(*tree);
    if (!facts)
        return facts.error();
    return canonical{openapi::to_json(*tree), std::move(*facts)};
}

result<void> check_config(const std::string& text) {
    const auto tree = openapi::read_document(text);
    if (!tree)
        return failure{errc::config_unreadable, tree.error().message};
    if (!tree->IsObject())
        return failure{errc::config_unreadable, "the configuration is not an object"};
    return {};
}

} // namespace

step_result validate_spec(step_context& c) {
    if (c.space.inputs().contains("config")) {
        const auto config = co_await c.space.read_input("config");
        if (!config)
            co_return failed(config.error().code, config.error().message);
        auto work = [&text = *config] { return check_config(text); };
        const auto ok = co_await on_pool(c.space.pool(), std::move(work));
        if (!ok)
            co_return failed(ok.error().code, ok.error().message);
    }

    const auto text = co_await c.space.read_input("openapi");
    if (!text)
        co_return failed(text.error().code, text.error().message);
    auto work = [&t = *text] { return canonicalise(t); };
    const auto document = co_await on_pool(c.space.pool(), std::move(work));
    if (!document)
        co_return failed(document.error().code, document.error().message);

    const auto file = c.space.root() / "openapi.json";
    auto write = [&file, &bytes = document->json] {
        write_file(file, bytes);
        return digested(document_key, "application/json", file);
    };
    step_outcome o;
    o.artifacts.push_back(co_await on_pool(c.space.pool(), std::move(write)));
    const auto& f = document->facts;
    o.log = "OpenAPI " + f.openapi_version + ", \"" + f.title + "\" " + f.version + ", " +
            std::to_string(f.operations) + " operations\n";
    co_return o;
}

} // namespace reprise::worker
