#include "api/upkeep.hpp"

#include "common/log.hpp"
#include "common/queue/keys.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr const char* most_blobs = "50"; // dropped in one turn
} // namespace

asio::awaitable<void> upkeep::run() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto rare_work_due = std::chrono::steady_clock::now();
    while (!draining_) {
        timer.expires_after(std::chrono::milliseconds(settings_.sweep_ms));
        boost::system::error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
        try {
            for (unsigned p = 0; p < settings_.partitions; ++p) {
                co_await queue_.sweep(p, "api", "");
                co_await drop_blobs(p, keys::retained(p));
                co_await drop_blobs(p, keys::pinned(p));
                co_await measure(p);
            }
            co_await workers_.count(queue_.library().redis());
            if (std::chrono::steady_clock::now() >= rare_work_due) {
                rare_work_due = std::chrono::steady_clock::now() + std::chrono::minutes(1);
                co_await drop_strays();
                co_await queue_.library().drop_unused_libraries();
            }
        } catch (const std::exception& e) {
            log::warn("sweep_failed", {{"why", e.what()}});
        }
    }
}

asio::awaitable<void> upkeep::measure(unsigned partition) {
    const auto claims = co_await queue_.library().redis().call(
        redis::command::of("HGET", keys::prefix(partition) + "stats", "claims"));
    pace_.note(partition, claims.is_nil() ? 0 : claims.number(), wall_clock());
}

asio::awaitable<void> upkeep::drop_blobs(unsigned partition, std::string index) {
    auto& redis = queue_.library().redis();
    const auto due = co_await redis.call(redis::command::of("ZRANGE", index, "-inf", std::to_string(wall_clock()),
                                                            "BYSCORE", "LIMIT", "0", most_blobs));
    for (std::size_t i = 0; i < due.size(); ++i) {
        const std::string member(due[i].text());
        const auto slash = member.find('/');
        co_await drop_blob(partition, blob_id(member.substr(0, slash), member.substr(slash + 1)));
    }
}

// Files that Redis knows nothing of: a put that never came to an accept, a drop that was cut short.
asio::awaitable<void> upkeep::drop_strays() {
    auto& redis = queue_.library().redis();
    const auto old = co_await blobs_.old_files(std::chrono::hours(24));
    for (const auto& b : old) {
        const auto partition = co_await redis.call(redis::command::of("HGET", keys::orgs, b.org));
        if (!partition.is_nil())
            co_await drop_blob(static_cast<unsigned>(partition.number()), b);
    }
}

// One blob that cannot be dropped now must not keep the others.
asio::awaitable<void> upkeep::drop_blob(unsigned partition, blob_id b) {
    try {
        const auto due = [this, partition, &b] { return queue_.drop_if_due(partition, b.org, b.sha256); };
        co_await blobs_.drop(b, due);
    } catch (const outage& e) {
        log::warn("blob_stays", {{"org", b.org}, {"blob", b.sha256}, {"why", e.what()}});
    }
}

} // namespace reprise::api
