// reprise-worker --health: is there a sign of life in the registry?
#include "common/queue/keys.hpp"
#include "worker/registry.hpp"
#include "worker/worker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <iostream>

namespace reprise::worker {
namespace asio = boost::asio;

namespace {

asio::awaitable<bool> is_alive(redis::connection& c, std::string name) {
    if (!name.empty()) {
        const auto there = co_await c.call(redis::command::of("EXISTS", keys::worker(name)));
        co_return there.number() == 1;
    }
    const auto ids = co_await c.call(redis::command::of("ZRANGE", keys::workers, "-1000", "-1"));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto host = co_await c.call(redis::command::of("HGET", keys::worker(ids[i].text()), "host"));
        if (host.text() == host_name())
            co_return true;
    }
    co_return false;
}

} // namespace

int check_health(const worker_settings& settings) {
    asio::io_context io{1};
    redis::connection redis(io.get_executor(), settings.common.redis_options("reprise-health"));
    int status = 1;
    asio::co_spawn(io, is_alive(redis, settings.name), [&](std::exception_ptr failed, bool alive) {
        status = !failed && alive ? 0 : 1;
        io.stop();
    });
    io.run();
    std::cout << (status == 0 ? "healthy\n" : "no sign of life\n");
    return status;
}

} // namespace reprise::worker
