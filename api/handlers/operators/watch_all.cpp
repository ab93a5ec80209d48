// GET everything that happens to one's runs, from now on, as Server-Sent Events: what a monitor shows as it comes. Not resumable,
// and not complete when more happens than can be looked at; a run's own events are (watch_run.cpp).
#include "api/handlers/handlers.hpp"
#include "api/http/peer.hpp"
#include "api/watch/watch_list.hpp"
#include "common/json/writer.hpp"

namespace reprise::api {
namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr auto heartbeat_every = std::chrono::seconds(15);
constexpr auto key_every = std::chrono::seconds(5);             // a look whether the onlooker's key still counts
constexpr auto between_pieces = std::chrono::milliseconds(250); // nobody reads faster

class all_events : public event_source {
  public:
    all_events(services& s, const request& req)
        : services_(s),
          peer_(*req.from),
          key_(req.header(http::field::authorization)),
          with_org_(req.who.acts_for_all()),
          onlooker_(s.watches, req.who.org),
          attention_(peer_, [this] { onlooker_.wake(); }) {}

    asio::awaitable<std::string> next() override {
        if (!std::exchange(begun_, true))
            co_return "retry: 2000\n\n";
        const auto heartbeat = steady_clock::now() + heartbeat_every;
        while (!onlooker_.closed() && !peer_.has_left()) {
            try {
                if (const auto who = co_await services_.keys.identify(key_, true); !who)
                    break;
            } catch (const outage&) { // it is looked at again
            }
            if (steady_clock::now() >= next_piece_)
                if (auto piece = take(); !piece.empty()) {
                    next_piece_ = steady_clock::now() + between_pieces;
                    co_return piece;
                }
            if (steady_clock::now() >= heartbeat)
                co_return ":\n\n";
            const bool paced = steady_clock::now() < next_piece_;
            auto until = std::min(heartbeat, steady_clock::now() + key_every);
            if (paced)
                until = next_piece_;
            co_await onlooker_.wait(until);
        }
        co_return std::string();
    }

  private:
    std::string take() {
        std::string text;
        for (const auto& e : onlooker_.take()) {
            json::writer w;
            w.begin_object().member("run", e.run).member("seq", e.what.seq).member("type", e.what.type);
            w.optional("step", e.what.step).member("at", rfc3339(e.what.at)).member("projectId", e.project);
            if (with_org_)
                w.member("org", e.org);
            w.member("by", e.by);
            if (e.what.step.empty()) // of a step, it is its place in the plan
                w.optional("cause", e.cause);
            w.end_object();
            text += "event: " + e.what.type + "\ndata: " + w.take() + "\n\n";
        }
        if (const auto skipped = onlooker_.take_skipped(); skipped > 0)
            text += "event: skipped\ndata: {\"count\":" + std::to_string(skipped) + "}\n\n";
        return text;
    }

    services& services_;
    peer& peer_;
    const std::string key_;
    const bool with_org_;
    onlooker onlooker_;
    const peer::attention attention_;
    steady_clock::time_point next_piece_ = steady_clock::now();
    bool begun_ = false;
};

} // namespace

asio::awaitable<response> watch_all(request& req, services& s) {
    response r;
    r.content_type = "text/event-stream";
    if (req.method == http::verb::head)
        co_return r;
    if (!s.watches.has_room())
        co_return refusal({errc::overloaded, "too many watchers; try again later"}, req, s);
    r.with("Cache-Control", "no-store").with("X-Accel-Buffering", "no");
    r.events = std::make_unique<all_events>(s, req);
    co_return r;
}

} // namespace reprise::api
