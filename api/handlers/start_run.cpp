// POST /api/reports/start: a run from inputs that come with the request. They become blobs first, pinned and on
// disk; only then is the run accepted.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/async/on_pool.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/text_fields.hpp"
#include "common/json/utf8.hpp"
#include "common/json/writer.hpp"
#include "common/openapi/read_document.hpp"
#include "common/run/id.hpp"
#include "common/run/mode.hpp"
#include "common/run/trace.hpp"

#include <array>

namespace reprise::api {
namespace asio = boost::asio;
namespace {

struct input {
    std::string_view name, field, file_field, default_file;
};
constexpr std::array<input, 3> inputs{{{"openapi", "openapiText", "openapiFileName", "openapi.yaml"},
                                       {"config", "configText", "configFileName", "config.yaml"},
                                       {"oldSdk", "oldSdkText", "oldSdkFileName", "old-sdk.txt"}}};

failure invalid(std::string message) {
    return {errc::invalid_body, std::move(message)};
}

// Checks what can be checked without reading the document: that is the pipeline's work, and a run tells it
// better. Takes the body's texts: a document of megabytes is in memory once.
result<json::text_fields> read_order(request& req, std::size_t most_bytes) {
    auto f = std::move(req.body);
    if (f["openapiText"].empty())
        return invalid("openapiText is missing or empty");
    if (f["mode"].empty())
        f["mode"] = "flagship";
    if (!stored_mode(f["mode"]))
        return invalid("mode is not one of the known modes");
    if (needs_config(f["mode"]) && f["configText"].empty())
        return failure{errc::config_required, "mode " + f["mode"] + " needs configText"};
    for (const auto& i : inputs) {
        if (f[std::string(i.field)].size() > most_bytes)
            return failure{errc::body_too_large,
                           std::string(i.field) + " is over " + std::to_string(most_bytes) + " bytes"};
        const auto& file = f[std::string(i.file_field)];
        if (file.size() > 200 || file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
            return invalid(std::string(i.file_field) + " must be a plain file name of at most 200 bytes");
    }
    if (!f["projectId"].empty() && !partition_of(id_kind::project, f["projectId"]))
        return failure{errc::project_not_found, ""};
    return f;
}

struct digested {
    std::string input_summary; // JSON object
    std::string title;
    std::vector<std::pair<std::string, std::string>> blobs; // sha256, bytes
};

std::string file_name_of(const json::text_fields& f, const input& i, std::string_view text) {
    const auto given = f.find(i.file_field);
    if (given != f.end() && !given->second.empty())
        return given->second;
    const bool is_json = i.name == "openapi" && text.find_first_not_of(" \t\r\n") != std::string_view::npos &&
                         text[text.find_first_not_of(" \t\r\n")] == '{';
    return is_json ? "openapi.json" : std::string(i.default_file);
}

// Heavy for a large document; runs on the pool. Takes the texts out of `f`.
digested digest(json::text_fields& f) {
    digested d;
    json::writer w;
    w.begin_object();
    for (const auto& i : inputs) {
        auto& text = f[std::string(i.field)];
        if (text.empty())
            continue;
        const auto sha = sha256_hex(text);
        w.key(i.name).begin_object().member("fileName", file_name_of(f, i, text));
        w.member("bytes", static_cast<std::int64_t>(text.size())).member("sha256", sha).end_object();
        if (i.name == "openapi") {
            // Best effort: a document that cannot be read is accepted, and fails in validate_spec with the reason.
            if (const auto tree = openapi::read_document(text)) {
                const auto facts = openapi::facts_of(*tree);
                d.title = utf8_prefix(facts.title, 400);
                w.key("document").begin_object().optional("title", d.title);
                w.optional("version", utf8_prefix(facts.version, 100));
                w.optional("openapi", utf8_prefix(facts.openapi_version, 40));
                w.member("operations", std::int64_t{facts.operations}).end_object();
            }
        }
        d.blobs.emplace_back(sha, std::move(text));
    }
    w.end_object();
    d.input_summary = w.take();
    return d;
}

std::string project_name(json::text_fields& f, const digested& d) {
    for (const auto& name : {f["projectName"], d.title, f["openapiFileName"]})
        if (!name.empty())
            return name;
    return "Untitled API";
}

// Pinned before they are written, so that no sweep can drop them in between.
asio::awaitable<void> retain(const caller& who, digested& d, services& s) {
    std::vector<std::string> shas;
    for (const auto& [sha, bytes] : d.blobs)
        shas.push_back(sha);
    co_await s.queue.pin(who.partition, who.org, std::move(shas));
    for (auto& [sha, bytes] : d.blobs)
        co_await s.blobs.put({who.org, sha}, std::move(bytes));
}

} // namespace

asio::awaitable<response> start_run(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    auto order = read_order(req, s.most_document_bytes);
    if (!order)
        co_return error_response(order.error(), accept); // 400, 413, 404

    const auto idem = idempotency_of(req);
    if (!idem)
        co_return error_response(idem.error(), accept); // 400
    const auto replay = co_await find_replay(req, *idem, s);
    if (!replay)
        co_return error_response(replay.error(), accept); // 409
    if (!replay->empty())
        co_return co_await replayed_response(req, *replay, nullptr, true, s); // 202

    new_run n;
    n.org = req.who.org;
    n.project = (*order)["projectId"];
    n.mode = *stored_mode((*order)["mode"]);
    // A forecast, before bytes are written for nothing: accept decides again.
    if (const auto refused =
            co_await s.queue.would_refuse(req.who.partition, n.org, n.project, std::vector<std::string>()))
        co_return refusal(*refused, req, s); // 404, 403, 402

    const auto now = static_cast<std::uint64_t>(wall_clock());
    n.id = make_id(id_kind::run, req.who.partition, now, random_base32(16));
    n.new_project = make_id(id_kind::project, req.who.partition, now, random_base32(16));
    n.user = req.who.user;
    n.notes = (*order)["notes"];
    n.actor = req.who.actor();
    n.idem = idem->hash;
    n.fingerprint = idem->fingerprint;
    n.trace = req.trace.empty() ? new_trace() : req.trace;
    n.request = req.id;

    auto work = [&fields = *order] { return digest(fields); };
    auto d = co_await on_pool(s.documents, std::move(work));
    n.project_name = project_name(*order, d);
    n.api_name = d.title;
    n.inputs = d.input_summary;
    for (const auto& [sha, bytes] : d.blobs)
        n.blobs.push_back(sha);
    co_await retain(req.who, d, s);

    const auto accepted = co_await s.queue.accept(req.who.partition, n);
    if (accepted && accepted->replayed) // before: by a lost reply, or an equal request
        co_return co_await replayed_response(req, accepted->run, nullptr, accepted->by_key, s);
    if (!accepted)
        co_return refusal(accepted.error(), req, s); // 404, 403, 402, 503
    const auto retained = inputs_of(record_of(n, *accepted));
    co_return co_await accepted_response(n, *accepted, nullptr, retained, s);
}

} // namespace reprise::api
