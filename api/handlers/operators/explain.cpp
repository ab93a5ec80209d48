// GET why a run is where it is: the one thing that it is waiting for, and what would end the waiting.
#include "api/handlers/handlers.hpp"
#include "api/queue_levels.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

struct runs_before {
    std::int64_t count = 0;
    bool about = false; // there are too many to be counted one by one
};

struct explanation {
    std::string_view reason;
    std::string message, freed_by, tool;
    std::optional<unix_ms> since, until;
    std::optional<runs_before> ahead;
};

bool has_word(std::string_view words, std::string_view word) {
    const auto padded = fmt::format(" {} ", words);
    return padded.find(fmt::format(" {} ", word)) != std::string::npos;
}

std::string counted(std::int64_t n, std::string_view one, std::string_view many) {
    return n == 1 ? fmt::format("1 {}", one) : fmt::format("{} {}", n, many);
}

// What is paused that this run belongs to, the widest first.
const pause_facts* pause_on(const run_record& run, const std::vector<pause_facts>& pauses) {
    for (const auto& what : {std::string("all"), fmt::format("mode:{}", run.fields.text("mode")),
                             fmt::format("project:{}", run.project())})
        if (const auto p = std::ranges::find(pauses, what, &pause_facts::what); p != pauses.end())
            return &*p;
    return nullptr;
}

explanation of_pause(const pause_facts& p, bool to_operator) {
    explanation e{"paused", "", "", "", p.since, {}, {}};
    const auto kind = std::string_view(p.what).substr(0, p.what.find(':'));
    const auto thing = kind == "all"    ? std::string("The queue")
                       : kind == "mode" ? fmt::format("Mode {}", p.what.substr(5))
                                        : std::string("The project");
    e.message = fmt::format("{} was paused{}{}.", thing, to_operator ? " by " + p.by : "",
                            p.reason.empty() ? "" : ": " + p.reason);
    e.freed_by = "An operator resumes it (POST /api/queue/resume).";
    return e;
}

// Nobody takes anything; nothing if somebody does.
std::optional<explanation> of_fleet(const std::vector<worker_facts>& workers) {
    const auto quiet =
        std::ranges::count_if(workers, [](const auto& w) { return w.state == "quiet" || w.state == "draining"; });
    if (std::ranges::any_of(workers, [](const auto& w) { return w.state == "running"; }))
        return std::nullopt;
    explanation e;
    if (quiet == 0) {
        e.reason = "no_worker";
        e.message = "No worker is alive.";
        e.freed_by = "A worker starts.";
    } else {
        e.reason = "workers_quiet";
        e.message = fmt::format("No worker takes runs: {} quiet or draining.", counted(quiet, "is", "are"));
        e.freed_by = "A worker is resumed (POST /api/workers/{workerId}/resume), or another starts.";
    }
    return e;
}

explanation of_blocked(const run_record& run, const std::vector<worker_facts>& workers) {
    explanation e{"missing_tool", "", "", std::string(run.fields.text("tool")), {}, {}, {}};
    const auto having = std::ranges::count_if(
        workers, [&](const auto& w) { return w.state == "running" && has_word(w.tools, e.tool); });
    const auto running = std::ranges::count(workers, "running", &worker_facts::state);
    if (having > 0) {
        e.message =
            fmt::format("A step needs the tool {}; {} it, and frees this run within a second of having a free slot.",
                        e.tool, counted(having, "worker has", "workers have"));
        e.freed_by = "A slot of such a worker becomes free.";
    } else {
        e.message = fmt::format("A step needs the tool {}, which none of {} has.", e.tool,
                                counted(running, "live worker", "live workers"));
        e.freed_by =
            fmt::format("The tool {} is installed where a worker runs, or a worker that has it starts.", e.tool);
    }
    return e;
}

// What XINFO GROUPS says of the workers' group.
struct handed_out {
    std::string last = "0-0"; // the ticket that was handed out last
    std::int64_t waiting = 0; // tickets after it
};

handed_out read_group(redis::reply_view groups) {
    handed_out h;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        const auto fields = groups[g];
        if (fields.size() < 2 || fields[1].text() != keys::group)
            continue;
        for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
            if (fields[i].text() == "last-delivered-id")
                h.last = fields[i + 1].text();
            else if (fields[i].text() == "lag" && !fields[i + 1].is_nil())
                h.waiting = fields[i + 1].number();
        }
    }
    return h;
}

// Tickets are handed out in the order of their ids, those of the stream that is read first before all others. Some of them are of
// runs that were canceled or set aside meanwhile: no more than the ghosts that are counted. How many runs were queued earlier says
// more, but not all of it: a run that a pause held, or a backoff, keeps its time and gets another place.
asio::awaitable<runs_before> runs_ahead(const run_record& run, unsigned partition, const queue_level& now,
                                        services& s) {
    constexpr std::size_t most_counted = 200;
    const std::string own(run.fields.text("stream")), ticket(run.fields.text("ticket"));
    std::vector<redis::command> questions;
    for (const auto& stream : {std::string(keys::again_stream), own})
        questions.push_back(redis::command::of("XINFO", "GROUPS", keys::queue(partition, stream)));
    const auto queued = keys::prefix(partition) + "queued";
    questions.push_back(redis::command::of("ZSCORE", queued, run.id));
    const auto said = co_await s.redis.call_all(std::move(questions));
    const auto again = read_group(said[0].view()), mine = read_group(said[1].view());
    std::vector<redis::command> counts;
    counts.push_back(redis::command::of("XRANGE", keys::queue(partition, own), "(" + mine.last, "(" + ticket, "COUNT",
                                        std::to_string(most_counted + 1)));
    counts.push_back(redis::command::of("ZCOUNT", queued, "-inf", said[2].is_nil() ? "0" : said[2].text()));
    const auto counted = co_await s.redis.call_all(std::move(counts));
    const auto tickets = static_cast<std::int64_t>(counted[0].size());
    const auto earlier = std::max<std::int64_t>(0, counted[1].number() - 1);
    runs_before n{tickets, tickets > static_cast<std::int64_t>(most_counted)};
    n.count = std::max(tickets - now.of("ghosts"), n.about ? earlier : std::min(tickets, earlier));
    if (own != keys::again_stream)
        n.count += again.waiting;
    n.count = std::min(n.count, std::max<std::int64_t>(0, now.in_streams() - 1)); // without this one
    co_return n;
}

asio::awaitable<explanation> of_queued(const run_record& run, const caller& who,
                                       const std::vector<worker_facts>& workers, services& s) {
    const auto partition = who.partition;
    const auto pauses = co_await read_pauses(s.redis, s.queue.library().partitions());
    if (const auto* p = pause_on(run, pauses))
        co_return of_pause(*p, who.is_operator);
    if (run.fields.text("where") == "delayed") {
        const auto due =
            co_await s.redis.call(redis::command::of("ZSCORE", keys::prefix(partition) + "delayed", run.id));
        explanation e{"delayed",
                      "It waits before its next try (backoff).",
                      "The time comes; no worker is needed for that.",
                      "",
                      {},
                      {},
                      {}};
        if (!due.is_nil())
            e.until = number_of(due.text());
        co_return e;
    }
    if (auto nobody = of_fleet(workers))
        co_return std::move(*nobody);
    explanation e;
    // By a pause that is over; the sweep gives those that it held their tickets.
    if (run.fields.text("where") == "held") {
        e.reason = "next";
        e.message = "What paused it is over; it is put back into the queue within a second.";
        co_return e;
    }
    const auto levels = co_await read_levels(s.redis, 0, s.queue.library().partitions());
    std::int64_t free = 0;
    for (const auto& level : levels)
        free -= level.of("running"); // the registry's own count of busy slots is a beat old
    for (const auto& w : workers)
        if (w.state == "running")
            free += w.slots;
    const auto ahead = co_await runs_ahead(run, partition, levels.at(partition), s);
    e.ahead = ahead;
    if (ahead.count > 0 && free <= ahead.count) {
        e.reason = "behind";
        e.message =
            fmt::format("{}{} before it.", ahead.about ? "About " : "", counted(ahead.count, "run is", "runs are"));
        e.freed_by = "Runs in hand end; more workers shorten it (GET /api/scale says how many).";
    } else if (free <= 0) {
        e.reason = "slots_busy";
        e.message = "It is next; all slots of all workers are busy.";
        e.freed_by = "A run in hand ends, or another worker starts.";
    } else {
        e.reason = "next";
        e.message = "A worker with a free slot is about to take it.";
    }
    co_return e;
}

} // namespace

asio::awaitable<response> explain_run(request& req, services& s) {
    const auto run = co_await load_run(req.who, req.parameters.at(0), s);
    if (!run)
        co_return error_response(run.error(), req.header(http::field::accept));
    const auto status = run->status();
    explanation e;
    if (is_terminal(status)) {
        e.reason = "ended";
        e.message = fmt::format("The run has ended: {}.", name_of(status));
        e.since = run->fields.number("ended");
    } else if (status == run_status::running) {
        e.reason = "running";
        const auto step = run->fields.text("current");
        e.message = fmt::format("Worker {} works on it{}.", run->fields.text("worker"),
                                step.empty() ? std::string() : fmt::format(", at step {}", step));
    } else {
        const auto workers = co_await read_workers(s.redis);
        if (status == run_status::blocked)
            e = of_blocked(*run, workers);
        else
            e = co_await of_queued(*run, req.who, workers, s);
    }
    json::writer w;
    w.begin_object().member("run", run->id).member("status", name_of(status)).member("reason", e.reason);
    w.member("message", e.message).optional("freedBy", e.freed_by).optional("tool", e.tool);
    if (e.since)
        w.member("since", rfc3339(*e.since));
    if (e.until)
        w.member("until", rfc3339(*e.until));
    if (e.ahead) {
        w.member("ahead", e.ahead->count);
        if (e.ahead->about)
            w.key("aheadIsEstimate").boolean(true);
    }
    auto r = json_response(200, w.end_object().take());
    r.with("Cache-Control", "no-store");
    co_return r;
}

} // namespace reprise::api
