// GET one run, GET a list of runs.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "api/render.hpp"
#include "common/json/writer.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20;
constexpr int most_looked_at = 1000; // runs read for one page when a filter lets few through

// `seq` moves with every change; the verdict of a queued run also depends on whether a worker lives.
std::string etag_of(const run_record& r, bool no_worker) {
    return "\"" + std::to_string(r.seq()) + (no_worker && r.status() == run_status::queued ? "-w" : "") + "\"";
}

struct page {
    std::string index;  // zset to walk, newest first
    std::string after;  // run id of the last one already seen, or empty
    std::string status; // filter, or empty
    std::string source; // filter, or empty: only retries of this very run
    std::size_t limit = default_page;
};

result<page> read_page(const request& req) {
    page p;
    const auto limit = page_limit(req, default_page);
    if (!limit)
        return limit.error();
    p.limit = *limit;
    p.status = query_text(req, "status");
    if (!p.status.empty() && !status_of(p.status))
        return failure{errc::invalid_parameter, "status is not one of the run statuses"};

    const auto project = query_text(req, "projectId"), source = query_text(req, "sourceRunId");
    if (!project.empty() && !partition_of(id_kind::project, project))
        return failure{errc::invalid_parameter, "projectId is not a project id"};
    if (!source.empty() && !partition_of(id_kind::run, source))
        return failure{errc::invalid_parameter, "sourceRunId is not a run id"};
    if (!project.empty() && !source.empty())
        return failure{errc::invalid_parameter, "projectId and sourceRunId cannot be combined"};
    p.source = source;
    p.index = project.empty() ? keys::runs(req.who.partition, req.who.org)
                              : keys::runs(req.who.partition, req.who.org, project);

    if (const auto cursor = query_text(req, "cursor"); !cursor.empty()) {
        if (!partition_of(id_kind::run, cursor))
            return failure{errc::invalid_parameter, "the cursor is not one that was given out"};
        p.after = cursor;
    }
    return p;
}

struct found_page {
    std::vector<run_record> runs;
    std::string next; // cursor, or empty at the end
};

asio::awaitable<result<found_page>> walk(const request& req, const page& p, services& s) {
    found_page out;
    std::string last_seen;
    std::int64_t rank = 0;
    if (!p.after.empty()) {
        // By rank of the last one seen: inserts come before it and change nothing behind it.
        const auto at = co_await s.redis.call(redis::command::of("ZREVRANK", p.index, p.after));
        if (at.is_nil())
            co_return failure{errc::invalid_parameter, "the cursor has expired"};
        rank = at.number() + 1;
    }
    for (int looked_at = 0; looked_at < most_looked_at;) {
        const auto last = rank + static_cast<std::int64_t>(p.limit); // one more than a page: is there a next one?
        const auto ids = co_await s.redis.call(
            redis::command::of("ZREVRANGE", p.index, std::to_string(rank), std::to_string(last)));
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (out.runs.size() == p.limit) {
                out.next = out.runs.back().id;
                co_return out;
            }
            ++looked_at;
            auto run = co_await load_run(req.who, std::string(ids[i].text()), s);
            last_seen = ids[i].text();
            if (run && (p.status.empty() || run->fields.text("status") == p.status) &&
                (p.source.empty() || run->fields.text("source") == p.source))
                out.runs.push_back(std::move(*run));
        }
        if (ids.size() <= p.limit)
            co_return out;
        rank += static_cast<std::int64_t>(ids.size());
    }
    out.next = last_seen; // a filter let few through: the next page looks further
    co_return out;
}

// The few fields that an ETag is made of. Nothing for what load_run would not find.
asio::awaitable<std::optional<run_record>> glance(const request& req, services& s) {
    run_record r;
    r.id = req.parameters.at(0);
    const auto answer = co_await s.redis.call(
        redis::command::of("HMGET", keys::run(req.who.partition, r.id), "org", "seq", "status"));
    if (answer[0].text() != req.who.org || !partition_of(id_kind::run, r.id))
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
    const auto seconds = req.fields.count("Prefer") == 1 ? preferred_wait(req.header("Prefer")) : 0;
    std::optional<response> r;
    if (seconds > 0 || req.fields.count(http::field::if_none_match) > 0)
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

asio::awaitable<response> list_runs(request& req, services& s) {
    auto p = read_page(req);
    if (!p)
        co_return error_response(p.error(), req.header(http::field::accept));
    if (!p->source.empty()) {
        // All retries of a line stand in one index, under the run that the line began with.
        const auto source = co_await load_run(req.who, p->source, s);
        const auto root = source ? source->fields.text("root") : std::string_view();
        p->index = keys::retries(req.who.partition, root.empty() ? p->source : std::string(root));
    }
    const auto found = co_await walk(req, *p, s);
    if (!found)
        co_return error_response(found.error(), req.header(http::field::accept));

    const bool no_worker = s.workers.seen().live == 0;
    json::writer w;
    w.begin_object().key("runs").begin_array();
    for (const auto& run : found->runs)
        try {
            w.raw(render_run(run, no_worker));
        } catch (const std::exception& e) { // a broken record must not hide the others; doctor tells of it
            log::error("run_broken", {{"id", req.id}, {"why", e.what()}});
        }
    w.end_array().optional("nextCursor", found->next).end_object();
    auto r = json_response(200, w.take());
    if (!found->next.empty()) {
        std::string next = "</api/runs?cursor=" + found->next + "&limit=" + std::to_string(p->limit);
        for (const auto* name : {"projectId", "status", "sourceRunId"})
            if (const auto given = req.query.find(name); given != req.query.end())
                next.append("&").append(name).append("=").append(given->second);
        r.with("Link", next + ">; rel=\"next\"");
    }
    co_return r;
}

} // namespace reprise::api
