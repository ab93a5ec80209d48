// Watching a run: GET .../events tells everything that happens to it as Server-Sent Events, and `Prefer: wait` holds a GET of
// the run until something does.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "api/http/peer.hpp"
#include "api/watch/watch_list.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr auto heartbeat_every = std::chrono::seconds(15); // proxies close what is silent for longer
constexpr auto key_every = std::chrono::seconds(5);        // a look whether the watcher's key still counts
constexpr auto after_outage = std::chrono::seconds(1);

class run_events : public event_source {
  public:
    run_events(services& s, const request& req, std::string run, std::int64_t seen)
        : services_(s),
          peer_(*req.from),
          key_(req.header(http::field::authorization)),
          partition_(req.who.partition),
          watcher_(s.watches, std::move(run)),
          attention_(peer_, [this] { watcher_.wake(); }),
          seen_(seen) {}

    // What the source begins with: events that have happened already, from the run's hash. False: nothing will follow.
    asio::awaitable<bool> open() {
        pending_ = co_await look();
        if (pending_.empty() && ended_)
            co_return false;
        pending_.insert(0, "retry: 1000\n\n"); // ms after which a browser comes back
        co_return true;
    }

    asio::awaitable<std::string> next() override {
        if (!pending_.empty())
            co_return std::exchange(pending_, std::string());
        auto heartbeat = steady_clock::now() + heartbeat_every;
        while (!ended_ && !watcher_.closed() && !peer_.has_left()) {
            bool away = false;
            try {
                const auto who = co_await services_.keys.identify(key_, true); // revoked or expired meanwhile?
                if (!who)
                    break;
                co_await news();
                if (pending_.empty() && steady_clock::now() >= heartbeat)
                    co_await look_if_moved(); // the feed may have been trimmed before it was read
            } catch (const outage&) {
                away = true; // the next look tells what is missing
            }
            if (!pending_.empty())
                co_return std::exchange(pending_, std::string());
            if (steady_clock::now() >= heartbeat)
                co_return ":\n\n";
            auto until = std::min(heartbeat, steady_clock::now() + key_every);
            if (away)
                until = std::min(heartbeat, steady_clock::now() + after_outage);
            if (!ended_)
                co_await watcher_.wait(until);
        }
        co_return std::string();
    }

  private:
    // Adds to what is pending, from where nothing is lost when Redis cannot be asked for the rest.
    asio::awaitable<void> news() {
        for (const auto& e : watcher_.take()) {
            if (e.seq <= seen_)
                continue;
            if (e.seq != seen_ + 1) {
                watcher_.must_look = true; // one is missing
                break;
            }
            add(pending_, e);
        }
        if (watcher_.must_look) {
            const auto text = co_await look();
            pending_ += text;
        }
    }

    asio::awaitable<void> look_if_moved() {
        const auto seq =
            co_await services_.redis.call(redis::command::of("HGET", keys::run(partition_, watcher_.run()), "seq"));
        if (!seq.is_nil() && seq.number() == seen_)
            co_return;
        const auto text = co_await look();
        pending_ += text;
    }

    asio::awaitable<std::string> look() {
        watcher_.must_look = false; // before reading: what comes meanwhile is told
        std::string text;
        std::vector<run_event> found;
        bool known = false, over = false;
        try {
            const auto r = co_await services_.redis.call(redis::command::of(
                "HMGET", keys::run(partition_, watcher_.run()), "history", "trail", "status", "steps", "created"));
            known = !r[0].is_nil();
            run_record told{watcher_.run(), {}};
            told.fields.append("history", std::string(r[0].text()));
            told.fields.append("trail", std::string(r[1].text()));
            told.fields.append("steps", std::string(r[3].text()));
            told.fields.append("created", std::string(r[4].text()));
            found = events_after(seen_, told);
            const auto status = status_of(r[2].text());
            over = status && is_terminal(*status);
        } catch (...) {
            watcher_.must_look = true;
            throw;
        }
        ended_ = ended_ || !known; // forgotten meanwhile
        for (const auto& e : found)
            add(text, e);
        ended_ =
            ended_ || over; // also if its end was seen by an earlier connection, or stands in no history any more
        co_return text;
    }

    void add(std::string& text, const run_event& e) {
        text += e.text(watcher_.run());
        seen_ = e.seq;
        ended_ = e.is_end();
    }

    services& services_;
    peer& peer_;
    const std::string key_;
    const unsigned partition_;
    watcher watcher_;
    const peer::attention attention_;
    std::int64_t seen_;
    std::string pending_;
    bool ended_ = false;
};

// A seq that the run has not reached, or something else: from the beginning.
std::int64_t last_event_id(const request& req, const run_record& run) {
    const auto n = whole_number(req.header("Last-Event-ID"));
    return n && *n <= static_cast<std::uint64_t>(run.seq()) ? static_cast<std::int64_t>(*n) : 0;
}

} // namespace

asio::awaitable<response> watch_run(request& req, services& s) {
    const auto run = co_await load_run(req.who, req.parameters.at(0), s);
    if (!run)
        co_return error_response(run.error(), req.header(http::field::accept)); // 404
    if (req.method == http::verb::head) {
        response r;
        r.content_type = "text/event-stream";
        co_return r;
    }
    if (!s.watches.has_room())
        co_return refusal({errc::overloaded, "too many watchers; try again later"}, req, s); // 503
    auto events = std::make_unique<run_events>(s, req, run->id, last_event_id(req, *run));
    response r;
    if (!co_await events->open()) {
        r.status = 204; // what tells an EventSource not to come back
        co_return r;
    }
    r.content_type = "text/event-stream";
    r.with("Cache-Control", "no-store").with("X-Accel-Buffering", "no");
    r.events = std::move(events);
    co_return r;
}

asio::awaitable<void> wait_for_change(request& req, services& s, std::int64_t seq, std::int64_t seconds) {
    watcher w(s.watches, req.parameters.at(0));
    const peer::attention attention(*req.from, [&w] { w.wake(); });
    const auto until = steady_clock::now() + std::chrono::seconds(seconds);
    while (steady_clock::now() < until && !w.closed() && !req.from->has_left()) {
        if (w.must_look) {
            w.must_look = false;
            const auto now =
                co_await s.redis.call(redis::command::of("HGET", keys::run(req.who.partition, w.run()), "seq"));
            if (now.is_nil() || now.number() != seq)
                break;
        }
        co_await w.wait(until);
        if (const auto told = w.take(); !told.empty() && told.back().seq > seq)
            break;
    }
}

} // namespace reprise::api
