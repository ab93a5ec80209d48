#include "worker/bell.hpp"

#include "common/log.hpp"
#include "common/queue/keys.hpp"

namespace reprise::worker {
namespace asio = boost::asio;

namespace {

constexpr auto longest_wait = std::chrono::milliseconds(1000);

redis::options patient(redis::options o) {
    o.name += "-bell";
    o.reply_timeout += longest_wait;
    o.prompt = false;
    return o;
}

} // namespace

bell::bell(asio::any_io_executor ex, redis::options o) : redis_(ex, patient(std::move(o))) {}

asio::awaitable<bool> bell::wait(unsigned partition) {
    try {
        co_await redis_.call(redis::command::of("XREADGROUP", "GROUP", keys::bell_group, "any", "COUNT", "1000",
                                                "BLOCK", std::to_string(longest_wait.count()), "NOACK", "STREAMS",
                                                keys::queue(partition, keys::again_stream),
                                                keys::queue(partition, keys::default_stream), ">", ">"));
        co_return true;
    } catch (const outage&) {
        co_return false;
    } catch (const redis::refused& e) {
        log::warn("bell_refused", {{"why", e.what()}}); // no group after a FLUSHALL: the next claim makes it
        co_return false;
    }
}

} // namespace reprise::worker
