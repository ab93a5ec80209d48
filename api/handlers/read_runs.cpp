// GET one run, GET a list of runs.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <charconv>

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20, largest_page = 100;
constexpr int most_looked_at = 1000; // runs read for one page when a filter lets few through

// `seq` moves with every change; the verdict of a queued run also depends on whether a worker lives.
std::string etag_of(const run_record& r, bool no_worker) {
    return "\"" + std::to_string(r.seq()) + (no_worker && r.status() == run_status::queued ? "-w" : "") + "\"";
}

bool matches(std::string_view if_none_match, std::string_view etag) {
    if (if_none_match == "*")
        return true;
    while (!if_none_match.empty()) {
        auto one = if_none_match.substr(0, if_none_match.find(','));
        if_none_match.remove_prefix(std::min(if_none_match.size(), one.size() + 1));
        while (one.starts_with(' ') || one.starts_with('\t'))
            one.remove_prefix(1);
        while (one.ends_with(' ') || one.ends_with('\t'))
            one.remove_suffix(1);
        if (one.starts_with("W/"))
            one.remove_prefix(2); // If-None-Match compares weakly
        if (one == etag)
            return true;
    }
    return false;
}

struct page {
    std::string index;  // zset to walk, newest first
    std::string after;  // run id of the last one already seen, or empty
    std::string status; // filter, or empty
    std::string source; // filter, or empty: only retries of this very run
    std::size_t limit = default_page;
};

result<page> read_page(const request& req) {
    const auto get = [&](std::string_view name) {
        const auto found = req.query.find(name);
        return found == req.query.end() ? std::string_view() : std::string_view(found->second);
    };
    page p;
    if (const auto text = get("limit"); !text.empty()) {
        const auto r = std::from_chars(text.data(), text.data() + text.size(), p.limit);
        if (r.ec != std::errc() || r.ptr != text.data() + text.size() || p.limit < 1 || p.limit > largest_page)
            return failure{errc::invalid_parameter, "limit must be 1 to 100"};
    }
    p.status = get("status");
    if (!p.status.empty() && !status_of(p.status))
        return failure{errc::invalid_parameter, "status is not one of the run statuses"};

    const auto project = get("projectId"), source = get("sourceRunId");
    if (!project.empty() && !partition_of(id_kind::project, project))
        return failure{errc::invalid_parameter, "projectId is not a project id"};
    if (!source.empty() && !partition_of(id_kind::run, source))
        return failure{errc::invalid_parameter, "sourceRunId is not a run id"};
    if (!project.empty() && !source.empty())
        return failure{errc::invalid_parameter, "projectId and sourceRunId cannot be combined"};
    p.source = source;
    p.index = project.empty() ? keys::runs(req.who.partition, req.who.org)
                              : keys::runs(req.who.partition, req.who.org, project);

    if (const auto cursor = get("cursor"); !cursor.empty()) {
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

} // namespace

asio::awaitable<response> get_run(request& req, services& s) {
    const auto run = co_await load_run(req.who, req.parameters.at(0), s);
    if (!run)
        co_return error_response(run.error(), req.header(http::field::accept));
    const bool no_worker = (co_await s.workers.look()).live == 0;
    const auto etag = etag_of(*run, no_worker);
    auto r = matches(req.header(http::field::if_none_match), etag) ? json_response(304, "")
                                                                   : json_response(200, render_run(*run, no_worker));
    r.with("ETag", etag).with("Cache-Control", "private, no-cache");
    co_return r;
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

    const bool no_worker = (co_await s.workers.look()).live == 0;
    json::writer w;
    w.begin_object().key("runs").begin_array();
    for (const auto& run : found->runs)
        w.raw(render_run(run, no_worker));
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
