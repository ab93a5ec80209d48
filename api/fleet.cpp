#include "api/fleet.hpp"

#include "common/queue/keys.hpp"
#include "common/queue/records.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<void> fleet::count(redis::connection& c) {
    fleet_facts f;
    const auto since = std::to_string(wall_clock() - 3'600'000); // the dead are not asked for longer
    const auto ids =
        co_await c.call(redis::command::of("ZRANGE", keys::workers, since, "+inf", "BYSCORE", "LIMIT", "0", "1000"));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        // The hash expires with the worker; an id without one is a worker that died.
        const auto fields = co_await c.call(redis::command::of("HGETALL", keys::worker(ids[i].text())));
        const record w(fields.view());
        if (w.empty() || w.text("state") != "running")
            continue;
        ++f.live;
        f.slots += w.number("slots");
        f.busy += w.number("busy");
    }
    live_ = f.live;
    slots_ = f.slots;
    busy_ = f.busy;
}

} // namespace reprise::api
