// GET one run; held until it changes, if the caller prefers that.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "api/render.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {

// `seq` moves with every change; the verdict of a queued run also depends on whether a worker lives.
std::string etag_of(const run_record& r, bool no_worker) {
    return "\"" + std::to_string(r.seq()) + (no_worker && r.status() == run_status::queued ? "-w" : "") + "\"";
}

// The few fields that an ETag is made of. Nothing for what load_run would not find.
asio::awaitable<std::optional<run_record>> glance(const request& req, services& s) {
    run_record r;
    r.id = req.parameters.at(0);
    if (!partition_of(id_kind::run, r.id))
        co_return std::nullopt;
    const auto answer = co_await s.redis.call(
        redis::command::of("HMGET", keys::run(req.who.partition, r.id), "org", "seq", "status"));
    if (answer[0].text() != req.who.org)
        co_return std::nullopt;
    r.fields.set("seq", std::string(answer[1].text()));
    r.fields.set("status", std::string(answer[2].text()));
    co_return r;
}

response not_changed(const std::string& etag) {
    auto r = json_response(304, "");
    r.with("ETag", etag).with("Cache-Control", "private, no-cache");
    return r;
}

// Who asks again and again mostly gets 304: that costs a glance, and no run is read or rendered for it. Held requests wait
// for the run that the ETag tells of (or, without one, for any change) to move on.
asio::awaitable<std::optional<response>> unchanged(request& req, std::int64_t seconds, services& s) {
    const auto known = req.header(http::field::if_none_match);
    const auto now = co_await glance(req, s);
    if (!now || (known.empty() && (seconds == 0 || is_terminal(now->status()))))
        co_return std::nullopt;
    const bool no_worker = s.workers.seen().live == 0;
    if (!known.empty() && !matches_etag(known, etag_of(*now, no_worker)))
        co_return std::nullopt;
    if (seconds == 0 || is_terminal(now->status()))
        co_return not_changed(etag_of(*now, no_worker));
    co_await wait_for_change(req, s, now->seq(), seconds);
    const auto then = co_await glance(req, s);
    const bool still_no_worker = s.workers.seen().live == 0;
    if (known.empty() || !then || !matches_etag(known, etag_of(*then, still_no_worker)))
        co_return std::nullopt;
    co_return not_changed(etag_of(*then, still_no_worker));
}

} // namespace

asio::awaitable<response> get_run(request& req, services& s) {
    // With too many watchers nobody more is held, and none is told so.
    const bool may_be_held = req.fields->count("Prefer") == 1 && s.watches.has_room();
    const auto seconds = may_be_held ? preferred_wait(req.header("Prefer")) : 0;
    std::optional<response> r;
    if (seconds > 0 || req.fields->count(http::field::if_none_match) > 0)
        r = co_await unchanged(req, seconds, s);
    if (!r) {
        const auto run = co_await load_run(req.who, req.parameters.at(0), s);
        if (!run)
            co_return error_response(run.error(), req.header(http::field::accept));
        const bool no_worker = s.workers.seen().live == 0;
        r = json_response(200, render_run(*run, no_worker));
        r->with("ETag", etag_of(*run, no_worker)).with("Cache-Control", "private, no-cache");
    }
    if (seconds > 0)
        r->with("Preference-Applied", "wait=" + std::to_string(seconds));
    co_return std::move(*r);
}

} // namespace reprise::api
