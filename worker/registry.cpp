#include "worker/registry.hpp"

#include "common/queue/keys.hpp"
#include "common/time.hpp"

#include <unistd.h>

#include <array>
#include <vector>

namespace reprise::worker {
namespace asio = boost::asio;

std::string host_name() {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

asio::awaitable<void> enroll(redis::connection& c, const worker_entry& w, std::chrono::milliseconds lease) {
    const auto key = keys::worker(w.id);
    // In one go: an entry that never expires would tell for ever of a worker that was killed in between. And it is gone
    // before the leases end, so that who asks what became of a killed worker is told the truth within a lease.
    std::vector<redis::command> writes;
    writes.push_back(redis::command::of(
        "HSET", key, "host", host_name(), "pid", std::to_string(::getpid()), "version", REPRISE_VERSION, "state",
        w.state, "slots", std::to_string(w.slots), "busy", std::to_string(w.busy), "tools", w.tools, "modes", w.modes,
        "runs", w.runs, "started", std::to_string(w.started), "beat", std::to_string(wall_clock())));
    writes.push_back(redis::command::of("PEXPIRE", key, std::to_string(lease.count() * 9 / 10)));
    writes.push_back(redis::command::of("ZADD", keys::workers, std::to_string(wall_clock()), w.id));
    co_await c.call_all(std::move(writes));
    const auto a_day_ago = wall_clock() - 86'400'000;
    co_await c.call(redis::command::of("ZREMRANGEBYSCORE", keys::workers, "-inf", std::to_string(a_day_ago)));
}

// Read and deleted by one command, so that an order given in between is not lost.
asio::awaitable<std::string> take_order(redis::connection& c, std::string id) {
    const auto order = co_await c.call(redis::command::of("GETDEL", keys::worker_order(id)));
    if (order.is_nil())
        co_return std::string();
    co_return std::string(order.text());
}

asio::awaitable<void> forget_orders(redis::connection& c, std::string id) {
    try {
        co_await c.call(redis::command::of("DEL", keys::worker_order(id)));
    } catch (const outage&) { // then it is carried out, if it has not expired
    } catch (const redis::refused&) {
    }
}

asio::awaitable<void> sign_off(redis::connection& c, std::string id) {
    co_await c.call(redis::command::of("DEL", keys::worker(id), keys::worker_order(id)));
    co_await c.call(redis::command::of("ZREM", keys::workers, id));
}

} // namespace reprise::worker
