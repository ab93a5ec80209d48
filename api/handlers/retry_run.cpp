// POST /api/runs/{runId}/retry: a new run from the inputs that an earlier run retained. The file to show a visitor.
// GET of the same path says what POST would answer.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"
#include "common/run/mode.hpp"
#include "common/run/trace.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {

failure not_retained(const run_record& source, std::string_view input) {
    const auto kept = source.kept_until();
    const auto since =
        kept <= wall_clock() ? "since " + rfc3339(kept) : "though it was to be kept until " + rfc3339(kept);
    return {errc::inputs_not_retained,
            "The raw input `" + std::string(input) + "` of " + source.id + " is no longer retained, " + since + "."};
}

// What is on disk now; accept decides again by what Redis knows, and the worker by the digest.
asio::awaitable<result<std::vector<std::string>>> retained_blobs(const request& req, const source_run& source,
                                                                 services& s) {
    std::vector<std::string> blobs;
    for (const auto& input : source.inputs()) {
        request_metrics::blob_check check(s.counted);
        const auto size = co_await s.looks.find(blob_id(req.who.org, input.sha256));
        const bool retained = size == static_cast<std::uint64_t>(input.bytes);
        check.saw(retained);
        if (!retained)
            co_return not_retained(source.record(), input.name);
        blobs.push_back(input.sha256);
    }
    if (blobs.empty())
        co_return not_retained(source.record(), "openapi");
    co_return blobs;
}

new_run retry_of(const source_run& from, const request& req, std::string reason, std::vector<std::string> blobs,
                 const idempotency& idem) {
    const auto& source = from.record();
    new_run n;
    n.id = make_id(id_kind::run, req.who.partition, static_cast<std::uint64_t>(wall_clock()), random_base32(16));
    n.org = req.who.org;
    n.project = source.project();
    n.mode = stored_mode(source.fields.text("mode")).value_or("flagship");
    n.user = req.who.user;
    n.notes = from.notes();
    n.inputs = source.fields.text("inputs");
    n.blobs = std::move(blobs);
    n.source = source.id;
    n.reason = std::move(reason);
    n.actor = req.who.actor();
    n.idem = idem.hash;
    n.fingerprint = idem.fingerprint;
    n.trace = req.trace.empty() ? new_trace() : req.trace;
    n.request = req.id;
    return n;
}

// A Redis that has lost its latest writes may come to the same seq by another way; hence the status.
bool is_as_it_was(const accepted_run& a, const run_record& known) {
    return a.source_seq == known.seq() && a.source_status == known.fields.text("status");
}

// Accept names a blob by its digest; the caller knows it by the input's name.
failure explained(const failure& f, const source_run& source) {
    if (f.code != errc::inputs_not_retained)
        return f;
    for (const auto& input : source.inputs())
        if (input.sha256 == f.message)
            return not_retained(source.record(), input.name);
    return not_retained(source.record(), "openapi");
}

// 403 and 402 come before 422: an archived project or a used-up quota is refused by accept, which sees no blobs on disk. So a
// blob that is gone is reported only after accept would have taken the run.
asio::awaitable<response> without_blobs(const request& req, failure missing, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto source = co_await load_source(req.who, req.parameters.at(0), s, true);
    if (!source)
        co_return error_response(source.error(), accept);
    const auto refused = co_await s.queue.would_refuse(
        req.who.partition, req.who.org, std::string((*source)->record().project()), std::vector<std::string>());
    if (refused && refused->code != errc::queue_full)
        co_return error_response(*refused, accept);
    const auto blobs = co_await retained_blobs(req, **source, s); // explained by the run as it is now
    if (!blobs)
        missing = blobs.error();
    co_return error_response(missing, accept);
}

} // namespace

asio::awaitable<response> retry_run(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto idem = idempotency_of(req);
    if (!idem)
        co_return error_response(idem.error(), accept); // 400
    const auto replay = co_await find_replay(req, *idem, s);
    if (!replay)
        co_return error_response(replay.error(), accept); // 409

    // What is remembered will do for a retry; a replay and a refusal show or explain the source as it is now.
    auto source = co_await load_source(req.who, req.parameters.at(0), s, !replay->empty());
    if (!source)
        co_return error_response(source.error(), accept); // 404
    if (!replay->empty())
        co_return co_await replayed_response(req, *replay, source->get(), true, s); // 202

    auto blobs = co_await retained_blobs(req, **source, s);
    if (!blobs)
        co_return co_await without_blobs(req, blobs.error(), s); // 404, 403, 402, 422
    const auto n = retry_of(**source, req, req.text("reason"), std::move(*blobs), *idem);
    const auto accepted = co_await s.queue.accept(req.who.partition, n);
    const bool is_old = !accepted || accepted->replayed || !is_as_it_was(*accepted, (*source)->record());
    if (is_old) {
        auto anew = co_await load_source(req.who, req.parameters.at(0), s, true);
        if (anew) // else it has just been forgotten
            source = std::move(anew);
    }
    if (!accepted)
        co_return refusal(explained(accepted.error(), **source), req, s); // 404, 403, 402, 422, 503
    if (accepted->replayed) // before: by a lost reply, or an equal request
        co_return co_await replayed_response(req, accepted->run, source->get(), accepted->by_key, s);
    co_return co_await accepted_response(n, *accepted, source->get(), (*source)->inputs(), s);
}

namespace {

// What a POST of a caller with the scope would be refused with; nothing if it would be accepted.
asio::awaitable<std::optional<failure>> refusal_of(const request& req, const source_run& source, services& s) {
    auto blobs = co_await retained_blobs(req, source, s);
    std::vector<std::string> named;
    if (blobs)
        named = *blobs;
    const auto refusal = co_await s.queue.would_refuse(req.who.partition, req.who.org,
                                                       std::string(source.record().project()), std::move(named));
    if (!blobs && (!refusal || refusal->code == errc::queue_full))
        co_return blobs.error();
    if (!refusal)
        co_return std::nullopt;
    co_return explained(*refusal, source);
}

asio::awaitable<void> write_inputs(json::writer& w, const request& req, const source_run& source, services& s) {
    for (const auto& input : source.inputs()) {
        const auto held = co_await s.redis.call(
            redis::command::of("ZSCORE", keys::retained(req.who.partition), req.who.org + "/" + input.sha256));
        const auto size = co_await s.blobs.find(blob_id(req.who.org, input.sha256));
        const auto until = held.is_nil() ? 0 : std::strtoll(std::string(held.text()).c_str(), nullptr, 10);
        const bool retained = until > wall_clock() && size == static_cast<std::uint64_t>(input.bytes);
        w.begin_object().member("name", input.name).member("fileName", input.file_name);
        w.member("bytes", input.bytes).member("sha256", input.sha256).key("retained").boolean(retained);
        if (until != 0)
            w.member("retainedUntil", rfc3339(until));
        w.end_object();
    }
}

} // namespace

asio::awaitable<response> preview_retry(request& req, services& s) {
    const auto source = co_await load_source(req.who, req.parameters.at(0), s, true);
    std::optional<failure> refused;
    if (!req.who.has("runs:write")) // what POST looks at first
        refused = failure{errc::insufficient_scope, "this call needs runs:write"};
    else if (!source)
        co_return error_response(source.error(), req.header(http::field::accept)); // 404
    else
        refused = co_await refusal_of(req, **source, s);
    json::writer w;
    w.begin_object().member("runId", req.parameters.at(0)).key("retryable").boolean(!refused);
    if (refused) {
        w.member("status", std::int64_t{http_status_of(refused->code)}).member("error", code_of(refused->code));
        w.member("message",
                 refused->message.empty() ? meaning_of(refused->code) : std::string_view(refused->message));
    }
    w.key("inputs").begin_array();
    if (source)
        co_await write_inputs(w, req, **source, s);
    w.end_array().end_object();
    auto r = json_response(200, w.take());
    r.with("Cache-Control", "no-store");
    co_return r;
}

} // namespace reprise::api
