// GET a list of runs: one page of an index, with filters that are looked up in other indexes and not in the runs.
#include "api/auth/acting.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/index_page.hpp"
#include "api/render.hpp"
#include "common/json/writer.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <fmt/format.h>

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20;
constexpr std::size_t at_once = 500;         // members of an index that a filter looks at in one call, at most
constexpr std::size_t most_looked_at = 1000; // for one page, which then ends early and says where to go on

struct filters {
    std::string project, status, source, error, q; // each empty: any
    std::size_t limit = default_page;
};

// Codes look like words; whether there is such a code, the index knows.
bool is_error_code(std::string_view s) {
    return s.size() <= 60 && std::ranges::all_of(s, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

result<filters> read_filters(const request& req) {
    filters f;
    const auto limit = page_limit(req, default_page);
    if (!limit)
        return limit.error();
    f.limit = *limit;
    f.status = query_text(req, "status");
    f.project = query_text(req, "projectId");
    f.source = query_text(req, "sourceRunId");
    f.error = query_text(req, "error");
    f.q = query_text(req, "q");
    if (f.q.size() > 200)
        return failure{errc::invalid_parameter, "q takes at most 200 bytes"};
    if (!f.error.empty() && !is_error_code(f.error))
        return failure{errc::invalid_parameter, "error is not a code that runs end with"};
    if (!f.status.empty() && !status_of(f.status))
        return failure{errc::invalid_parameter, "status is not one of the run statuses"};
    if (!f.project.empty() && !partition_of(id_kind::project, f.project))
        return failure{errc::invalid_parameter, "projectId is not a project id"};
    if (!f.source.empty() && !partition_of(id_kind::run, f.source))
        return failure{errc::invalid_parameter, "sourceRunId is not a run id"};
    if (!f.project.empty() && !f.source.empty())
        return failure{errc::invalid_parameter, "projectId and sourceRunId cannot be combined"};
    return f;
}

// The indexes to walk as one, and those in which a run must stand as well: in one of each group.
struct plan {
    std::vector<std::string> walked;
    std::vector<std::vector<std::string>> also_in;
};

// For an operator, of all organisations; what narrows a list to one of them has been looked at before (acting.hpp).
plan plan_for(const std::vector<organisation>& all, const filters& f) {
    plan p;
    for (const auto& o : all)
        p.walked.push_back(!f.error.empty()    ? keys::errors(o.partition, o.name, f.error)
                           : !f.status.empty() ? keys::runs(o.partition, o.name, f.status)
                                               : keys::runs(o.partition, o.name));
    return p;
}

asio::awaitable<plan> plan_of(const request& req, const filters& f, services& s) {
    const auto partition = req.who.partition;
    std::vector<std::string> indexes;
    if (!f.source.empty()) {
        // All retries of a line stand in one index, under the run that the line began with.
        const auto source = co_await load_run(req.who, f.source, s);
        const auto root = source ? source->fields.text("root") : std::string_view();
        indexes.push_back(keys::retries(partition, root.empty() ? std::string_view(f.source) : root));
        indexes.push_back(keys::runs(partition, req.who.org)); // whatever the id leads to, only our own are shown
    }
    if (!f.project.empty())
        indexes.push_back(keys::runs(partition, req.who.org, f.project));
    if (!f.status.empty())
        indexes.push_back(keys::runs(partition, req.who.org, f.status));
    if (!f.error.empty())
        indexes.push_back(keys::errors(partition, req.who.org, f.error));
    if (indexes.empty())
        indexes.push_back(keys::runs(partition, req.who.org));
    plan p;
    if (indexes.size() > 1) { // the smallest lets the fewest through for nothing
        std::vector<redis::command> sizes;
        for (const auto& index : indexes)
            sizes.push_back(redis::command::of("ZCARD", index));
        const auto counted = co_await s.redis.call_all(std::move(sizes));
        const auto smallest = std::ranges::min_element(counted, {}, [](const auto& r) { return r.number(); });
        std::swap(indexes.front(), indexes[static_cast<std::size_t>(smallest - counted.begin())]);
    }
    p.walked.push_back(indexes.front());
    for (auto other = indexes.begin() + 1; other != indexes.end(); ++other)
        p.also_in.emplace_back(1, std::move(*other));
    co_return p;
}

// Takes out those that are not in the other indexes, or not retries of this very run.
asio::awaitable<void> sift(std::vector<indexed>& found, const plan& p, const filters& f, const request& req,
                           services& s) {
    for (const auto& group : p.also_in) {
        if (found.empty())
            co_return;
        std::vector<redis::command> asked;
        for (const auto& index : group) {
            std::vector<std::string> words{"ZMSCORE", index};
            for (const auto& one : found)
                words.push_back(one.id);
            asked.emplace_back(std::span<const std::string>(words));
        }
        const auto scores = co_await s.redis.call_all(std::move(asked));
        std::size_t n = 0;
        std::erase_if(found, [&](const indexed&) {
            const auto at = n++;
            return std::ranges::all_of(scores, [at](const redis::reply& r) { return r[at].is_nil(); });
        });
    }
    if (f.source.empty())
        co_return;
    std::vector<redis::command> sources;
    for (const auto& one : found)
        sources.push_back(redis::command::of("HMGET", keys::run(req.who.partition, one.id), "source", "root"));
    const auto of = co_await s.redis.call_all(std::move(sources));
    std::size_t n = 0;
    std::erase_if(found, [&](const indexed&) {
        const auto line = of[n++].view();
        return line[line[0].text().empty() ? 1 : 0].text() != f.source; // as run_record::source()
    });
}

struct page {
    std::vector<indexed> runs;
    std::optional<indexed> last; // where the next page begins after; nothing: this is the last one
};

asio::awaitable<page> filtered_page(const plan& p, const filters& f, std::optional<indexed> from, const request& req,
                                    services& s) {
    page out;
    const bool plain = p.also_in.empty() && f.source.empty();
    auto wanted = f.limit + 1; // one more than a page: is there a next one?
    for (std::size_t looked_at = 0; looked_at < most_looked_at;) {
        auto found = co_await read_indexes(s.redis, p.walked, from, wanted);
        const bool more = found.size() == wanted;
        if (!found.empty())
            from = found.back();
        looked_at += found.size();
        co_await sift(found, p, f, req, s);
        for (auto& one : found) {
            if (out.runs.size() == f.limit) {
                out.last = out.runs.back();
                co_return out;
            }
            out.runs.push_back(std::move(one));
        }
        if (!more)
            co_return out;
        if (!plain) // few are let through: a longer look next time, so that many runs cost no more than these
            wanted = std::min(at_once, wanted * 2);
    }
    out.last = from; // the filters let few through: the next page looks further
    co_return out;
}

// The runs of a page, read at once. One that has been forgotten, or has left the status that was asked for, is passed over.
asio::awaitable<void> write_runs(json::writer& w, const page& found, const filters& f, const request& req,
                                 services& s) {
    std::vector<redis::command> reads;
    for (const auto& one : found.runs)
        reads.push_back(redis::command::of("HGETALL", keys::run(*partition_of(id_kind::run, one.id), one.id)));
    const auto records = co_await s.redis.call_all(std::move(reads));
    const bool no_worker = s.workers.seen().live == 0;
    for (std::size_t i = 0; i < records.size(); ++i)
        try {
            const run_record run{found.runs[i].id, record(records[i].view())};
            const auto status = run.fields.text("status");
            const bool ours = req.who.acts_for_all() || run.org() == req.who.org;
            if (ours && (f.status.empty() || status == f.status))
                w.raw(render_run(run, no_worker));
        } catch (const std::exception& e) { // a broken record must not hide the others; doctor tells of it
            log::error("run_broken", {{"id", req.id}, {"why", e.what()}});
        }
}

// What a search means: a run's id, or a project, by its id or its exact name. Narrows the filters, or answers the whole list.
struct search_result {
    std::optional<page> all;
    std::vector<std::string> walked; // empty: as the filters say
};

asio::awaitable<search_result> search(filters& f, const std::vector<organisation>& orgs, const request& req,
                                      services& s) {
    search_result found;
    if (f.q.empty())
        co_return found;
    page one;
    if (const auto partition = partition_of(id_kind::run, f.q)) {
        const auto owner = co_await s.redis.call(redis::command::of("HGET", keys::run(*partition, f.q), "org"));
        if (!owner.is_nil() && (req.who.acts_for_all() || owner.text() == req.who.org))
            one.runs.push_back({f.q, 0});
        found.all = std::move(one);
        co_return found;
    }
    std::vector<redis::command> names;
    for (const auto& o : orgs)
        names.push_back(redis::command::of("HGET", keys::project_names(o.partition, o.name), f.q));
    const auto ids = co_await s.redis.call_all(std::move(names));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::string id(ids[i].is_nil() ? std::string_view(f.q) : ids[i].text());
        if (partition_of(id_kind::project, id) == orgs[i].partition)
            found.walked.push_back(keys::runs(orgs[i].partition, orgs[i].name, id));
    }
    if (found.walked.empty())
        found.all = std::move(one);
    co_return found;
}

} // namespace

asio::awaitable<response> list_runs(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    auto f = read_filters(req);
    if (!f)
        co_return error_response(f.error(), accept);
    const auto list = fmt::format("{} {} {} {} {} {}", keys::runs(req.who.partition, req.who.org), f->project,
                                  f->status, f->source, f->error, f->q);
    const auto from = asked_cursor(req, list);
    if (!from)
        co_return error_response(from.error(), accept);
    const auto orgs = co_await organisations_of(req.who, s);
    if (!orgs)
        co_return error_response(orgs.error(), accept);
    auto searched = co_await search(*f, *orgs, req, s);
    page found;
    if (searched.all) {
        found = std::move(*searched.all);
    } else {
        plan p;
        if (req.who.acts_for_all())
            p = plan_for(*orgs, *f);
        else
            p = co_await plan_of(req, *f, s);
        if (!searched.walked.empty()) {
            if (!f->status.empty() || !f->error.empty() || !f->project.empty() || !f->source.empty())
                p.also_in.push_back(std::move(p.walked));
            p.walked = std::move(searched.walked);
        }
        found = co_await filtered_page(p, *f, *from, req, s);
    }

    json::writer w;
    w.begin_object().key("runs").begin_array();
    co_await write_runs(w, found, *f, req, s);
    w.end_array();
    std::string next;
    if (found.last)
        next = cursor_after(*found.last, list);
    w.optional("nextCursor", next).end_object();
    auto r = json_response(200, w.take());
    if (!next.empty())
        link_next(r, req, next, {"limit", "org", "q", "projectId", "status", "sourceRunId", "error"});
    co_return r;
}

} // namespace reprise::api
