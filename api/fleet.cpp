#include "api/fleet.hpp"

#include "common/queue/keys.hpp"
#include "common/queue/records.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<std::vector<worker_facts>> read_workers(redis::connection& c) {
    const auto since = std::to_string(wall_clock() - 3'600'000);
    const auto ids = co_await c.call(redis::command::of("ZRANGE", keys::workers, "+inf", since, "BYSCORE", "REV",
                                                        "LIMIT", "0", "1000", "WITHSCORES"));
    std::vector<worker_facts> out;
    std::vector<redis::command> reads;
    for (std::size_t i = 0; i + 1 < ids.size(); i += 2) {
        worker_facts w;
        w.id = ids[i].text();
        w.beat = number_of(ids[i + 1].text());
        reads.push_back(redis::command::of("HGETALL", keys::worker(w.id)));
        out.push_back(std::move(w));
    }
    const auto answers = co_await c.call_all(std::move(reads));
    for (std::size_t i = 0; i < out.size(); ++i) {
        auto& w = out[i];
        const record fields(answers[i].view()); // it expires with the worker
        w.state = fields.empty() ? std::string_view("lost") : fields.text("state");
        w.host = fields.text("host");
        w.version = fields.text("version");
        w.modes = fields.text("modes");
        w.tools = fields.text("tools");
        w.runs = fields.text("runs");
        w.pid = fields.number("pid");
        w.slots = fields.number("slots");
        w.busy = fields.number("busy");
        w.started = fields.number("started");
    }
    std::ranges::sort(out, {}, &worker_facts::id);
    co_return out;
}

asio::awaitable<void> add_orders(std::vector<worker_facts>& workers, redis::connection& c) {
    std::vector<redis::command> reads;
    for (const auto& w : workers)
        reads.push_back(redis::command::of("GET", keys::worker_order(w.id)));
    const auto orders = co_await c.call_all(std::move(reads));
    for (std::size_t i = 0; i < workers.size(); ++i)
        if (!orders[i].is_nil())
            workers[i].order = orders[i].text();
}

namespace {

// HGETALL of one partition's.
std::vector<pause_facts> pauses_of(redis::reply_view hash) {
    std::vector<pause_facts> out;
    for (std::size_t i = 0; i + 1 < hash.size(); i += 2) {
        pause_facts p;
        p.what = hash[i].text();
        auto text = hash[i + 1].text(); // `ms actor reason`
        p.since = number_of(text);
        text.remove_prefix(std::min(text.size(), text.find(' ') + 1));
        const auto space = std::min(text.find(' '), text.size());
        p.by = text.substr(0, space);
        p.reason = text.substr(std::min(space + 1, text.size()));
        out.push_back(std::move(p));
    }
    return out;
}

} // namespace

asio::awaitable<std::vector<pause_facts>> read_pauses(redis::connection& c, unsigned partitions) {
    std::vector<pause_facts> out;
    std::vector<redis::command> reads;
    for (unsigned p = 0; p < partitions; ++p)
        reads.push_back(redis::command::of("HGETALL", keys::paused(p)));
    const auto answers = co_await c.call_all(std::move(reads));
    for (const auto& answer : answers)
        for (auto& one : pauses_of(answer.view()))
            if (std::ranges::find(out, one.what, &pause_facts::what) == out.end())
                out.push_back(std::move(one));
    std::ranges::sort(out, {}, &pause_facts::what);
    co_return out;
}

asio::awaitable<void> fleet::count(redis::connection& c, unsigned partitions) {
    fleet_facts f;
    const auto workers = co_await read_workers(c);
    for (const auto& w : workers) {
        f.quiet += w.state == "quiet";
        f.draining += w.state == "draining";
        f.lost += w.state == "lost";
        if (w.state != "running")
            continue;
        ++f.live;
        f.slots += w.slots;
        f.busy += w.busy;
    }
    live_ = f.live;
    slots_ = f.slots;
    busy_ = f.busy;
    quiet_ = f.quiet;
    draining_ = f.draining;
    lost_ = f.lost;
    const auto pauses = co_await read_pauses(c, partitions);
    const std::lock_guard held(lock_);
    paused_.clear();
    for (const auto& p : pauses)
        paused_.push_back(p.what);
    any_pause_ = !pauses.empty();
}

std::string fleet::text() const {
    return fmt::format("{} {} {}", live_.load(), slots_.load(), busy_.load());
}

bool fleet::is_paused(std::string_view mode, std::string_view project) const {
    if (!any_pause_)
        return false;
    const std::lock_guard held(lock_);
    return std::ranges::any_of(paused_, [&](const std::string& what) {
        return what == "all" || what == fmt::format("mode:{}", mode) || what == fmt::format("project:{}", project);
    });
}

} // namespace reprise::api
