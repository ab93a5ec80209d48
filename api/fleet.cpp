#include "api/fleet.hpp"

#include "common/queue/keys.hpp"
#include "common/queue/records.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<fleet_facts> fleet::look() {
    const auto now = std::chrono::steady_clock::now();
    if (now < until_)
        co_return seen_;
    if (looked_)
        until_ = now + std::chrono::seconds(1); // at once, so that requests which come meanwhile do not all ask
    try {
        seen_ = co_await count();
        looked_ = true;
    } catch (const outage&) {
        // What was seen last will do: an accepted run must not be answered with an error because of it.
    }
    co_return seen_;
}

asio::awaitable<fleet_facts> fleet::count() {
    fleet_facts f;
    const auto since = std::to_string(wall_clock() - 3'600'000); // the dead are not asked for longer
    const auto ids = co_await redis_.call(
        redis::command::of("ZRANGE", keys::workers, since, "+inf", "BYSCORE", "LIMIT", "0", "1000"));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        // The hash expires with the worker; an id without one is a worker that died.
        const auto fields = co_await redis_.call(redis::command::of("HGETALL", keys::worker(ids[i].text())));
        const record w(fields.view());
        if (w.empty() || w.text("state") != "running")
            continue;
        ++f.live;
        f.slots += w.number("slots");
        f.busy += w.number("busy");
    }
    co_return f;
}

} // namespace reprise::api
