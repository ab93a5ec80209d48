// What the first page of a monitor asks for: who is asking, which organisations there are, and how things stand.
#include "api/auth/acting.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/operators/render_pause.hpp"
#include "api/queue_levels.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/redis/safety.hpp"

#include <array>
#include <map>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::array<std::string_view, 8> statuses{"queued",   "running", "blocked",  "ready",
                                                   "complete", "failed",  "canceled", "expired"};

struct standing {
    std::map<std::string_view, std::int64_t> runs;
    std::optional<std::int64_t> dead; // not of more organisations than a call looks into
};

// Of one organisation by the lengths of its lists, of all by the counters that transitions keep.
asio::awaitable<standing> count_runs(const caller& who, const queue_level& level, services& s) {
    standing found;
    std::vector<redis::command> reads;
    for (const auto status : statuses)
        if (who.acts_for_all())
            found.runs[status] = level.of(status);
        else
            reads.push_back(redis::command::of("ZCARD", keys::runs(who.partition, who.org, status)));
    const auto of_statuses = reads.size();
    const auto orgs = co_await organisations_of(who, s);
    if (orgs)
        for (const auto& o : *orgs)
            reads.push_back(redis::command::of("ZCARD", keys::dead(o.partition, o.name)));
    const auto lengths = co_await s.redis.call_all(std::move(reads));
    for (std::size_t i = 0; i < of_statuses; ++i)
        found.runs[statuses[i]] = lengths[i].number();
    if (!orgs)
        co_return found;
    found.dead = 0;
    for (auto i = of_statuses; i < lengths.size(); ++i)
        *found.dead += lengths[i].number();
    co_return found;
}

struct warning {
    std::string_view code;
    std::string message;
};

std::int64_t value_in(std::string_view info, std::string_view name) {
    const auto at = info.find("\n" + std::string(name) + ":");
    return at == std::string_view::npos ? 0 : number_of(info.substr(at + name.size() + 2));
}

asio::awaitable<std::vector<warning>> warnings_of(std::int64_t queued, services& s) {
    std::vector<warning> out;
    if (auto gap = co_await redis::safety_gap(s.redis, s.durability); !gap.empty())
        out.push_back({"redis_unsafe", std::move(gap)});
    const auto info = co_await s.redis.call(redis::command::of("INFO", "memory", "persistence", "stats"));
    const auto used = value_in(info.text(), "used_memory"), most = value_in(info.text(), "maxmemory");
    if (most > 0 && used > most / 10 * 9)
        out.push_back(
            {"redis_memory", "Redis uses more than nine tenths of its maxmemory; then it refuses new runs"});
    if (info.text().find("\naof_last_write_status:err") != std::string_view::npos)
        out.push_back({"redis_disk", "Redis could not write its append-only file"});
    if (value_in(info.text(), "evicted_keys") > 0)
        out.push_back({"redis_evicts", "Redis has evicted keys: what it holds is not whole"});
    if (queued > 0 && s.workers.seen().live == 0)
        out.push_back({"no_worker", "runs are queued, and no worker takes any"});
    if (queued > s.queue.limits().most_queued / 10 * 9)
        out.push_back({"queue_full", "the queue is nearly full; then it refuses new runs"});
    co_return out;
}

} // namespace

asio::awaitable<response> who_am_i(request& req, services&) {
    json::writer w;
    w.begin_object().member("org", req.who.org).member("user", req.who.user).member("keyId", req.who.key_id);
    w.key("scopes").begin_array();
    for (const auto& scope : req.who.scopes)
        w.string(scope);
    w.end_array().key("operator").boolean(req.who.is_operator).member("version", REPRISE_VERSION).end_object();
    co_return json_response(200, w.take());
}

asio::awaitable<response> list_orgs(request& req, services& s) {
    const auto orgs = co_await organisations_of(req.who, s);
    if (!orgs)
        co_return error_response(orgs.error(), req.header(http::field::accept));
    std::vector<std::string> names;
    for (const auto& o : *orgs)
        names.push_back(o.name);
    std::ranges::sort(names);
    json::writer w;
    w.begin_object().key("orgs").begin_array();
    for (const auto& name : names)
        w.string(name);
    co_return json_response(200, w.end_array().end_object().take());
}

asio::awaitable<response> overview(request& req, services& s) {
    const auto level = co_await read_whole_level(s.redis, s.queue.library().partitions());
    const auto now = co_await count_runs(req.who, level, s);
    const auto workers = s.workers.seen();
    json::writer w;
    w.begin_object().member("scope", req.who.acts_for_all() ? "all" : "org").key("runs").begin_object();
    for (const auto status : statuses) {
        const auto count = now.runs.find(status);
        w.member(status, count == now.runs.end() ? 0 : count->second);
    }
    w.end_object();
    if (now.dead)
        w.member("dead", *now.dead);
    w.key("workers").begin_object();
    w.member("live", workers.live).member("slots", workers.slots).member("busy", workers.busy).end_object();
    w.member("oldestQueuedSeconds", level.oldest_seconds()).member("durability", s.durability);
    const auto pauses = co_await read_pauses(s.redis, s.queue.library().partitions());
    write_pauses(w, pauses, req.who.is_operator);
    if (req.who.is_operator) {
        const auto warnings = co_await warnings_of(level.of("queued"), s);
        w.key("warnings").begin_array();
        for (const auto& one : warnings)
            w.begin_object().member("code", one.code).member("message", one.message).end_object();
        w.end_array();
    }
    co_return json_response(200, w.end_object().take());
}

} // namespace reprise::api
