// The workers, and what an operator tells one of them: an order is a key that the worker takes within a second.
#include "api/handlers/handlers.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/org.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::array<std::string_view, 4> orders{"quiet", "resume", "drain", "stop"};
constexpr const char* order_good_for_ms = "60000"; // a worker that does not take it in this time is gone

void write_words(json::writer& w, std::string_view name, std::string_view words) {
    w.key(name).begin_array();
    while (!words.empty()) {
        const auto word = words.substr(0, words.find(' '));
        words.remove_prefix(std::min(words.size(), word.size() + 1));
        w.string(word);
    }
    w.end_array();
}

void write_runs_held(json::writer& w, std::string_view lines) {
    w.key("runs").begin_array();
    while (!lines.empty()) {
        const auto line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        const auto space = std::min(line.find(' '), line.size());
        w.begin_object().member("run", line.substr(0, space));
        w.optional("step", line.substr(std::min(space + 1, line.size()))).end_object();
    }
    w.end_array();
}

void write_worker(json::writer& w, const worker_facts& f) {
    w.begin_object().member("id", f.id).member("state", f.state).member("lastBeatAt", rfc3339(f.beat));
    if (f.state != "lost") {
        w.member("host", f.host).member("pid", f.pid).member("version", f.version).optional("order", f.order);
        write_words(w, "modes", f.modes);
        write_words(w, "tools", f.tools);
        w.member("slots", f.slots).member("busy", f.busy).member("startedAt", rfc3339(f.started));
        write_runs_held(w, f.runs);
    }
    w.end_object();
}

} // namespace

asio::awaitable<response> list_workers(request&, services& s) {
    auto workers = co_await read_workers(s.redis);
    co_await add_orders(workers, s.redis);
    std::map<std::string_view, std::int64_t> states{{"running", 0}, {"quiet", 0}, {"draining", 0}, {"lost", 0}};
    std::int64_t slots = 0, busy = 0;
    json::writer w;
    w.begin_object().key("workers").begin_array();
    for (const auto& f : workers) {
        write_worker(w, f);
        ++states[f.state];
        slots += f.slots;
        busy += f.busy;
    }
    w.end_array().key("totals").begin_object().member("live", states["running"]).member("quiet", states["quiet"]);
    w.member("draining", states["draining"]).member("lost", states["lost"]).member("slots", slots);
    co_return json_response(200, w.member("busy", busy).end_object().end_object().take());
}

asio::awaitable<response> order_worker(request& req, services& s) {
    const auto& id = req.parameters.at(0);
    const auto& order = req.parameters.at(1);
    if (std::ranges::find(orders, order) == orders.end())
        co_return error_response({errc::not_found, ""}, req.header(http::field::accept));
    redis::reply known;
    if (is_org_name(id)) // ids of workers are made of the same characters
        known = co_await s.redis.call(redis::command::of("EXISTS", keys::worker(id)));
    if (!is_org_name(id) || known.number() == 0)
        co_return error_response({errc::worker_not_found, ""}, req.header(http::field::accept));
    co_await s.queue.note_act(0, order, "worker " + id, req.who.actor(), req.text("reason"));
    co_await s.redis.call(redis::command::of("SET", keys::worker_order(id), order, "PX", order_good_for_ms));
    json::writer w;
    co_return json_response(202, w.begin_object().member("worker", id).member("order", order).end_object().take());
}

} // namespace reprise::api
