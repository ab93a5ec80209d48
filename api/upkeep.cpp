#include "api/upkeep.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/redis/safety.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr std::int64_t most_blobs = 50; // dropped in one turn
constexpr auto between_looks_at_settings = std::chrono::seconds(5);
} // namespace

asio::awaitable<void> upkeep::run() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto rare_work_due = std::chrono::steady_clock::now(), settings_due = rare_work_due;
    while (!draining_) {
        timer.expires_after(std::chrono::milliseconds(settings_.sweep_ms));
        boost::system::error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
        for (unsigned p = 0; p < settings_.partitions; ++p)
            co_await look_after(p);
        try {
            co_await workers_.count(queue_.library().redis(), settings_.partitions);
            if (std::chrono::steady_clock::now() >= settings_due) {
                settings_due = std::chrono::steady_clock::now() + between_looks_at_settings;
                const auto gap = co_await redis::safety_gap(queue_.library().redis(), settings_.durability);
                levels_.unsafe(!gap.empty());
            }
            if (std::chrono::steady_clock::now() >= rare_work_due) {
                rare_work_due = std::chrono::steady_clock::now() + std::chrono::minutes(1);
                co_await drop_strays();
                co_await queue_.library().drop_unused_libraries();
            }
        } catch (const std::exception& e) {
            log::warn("upkeep_failed", {{"why", e.what()}});
        }
    }
}

// What is wrong in one partition must not keep the others.
asio::awaitable<void> upkeep::look_after(unsigned partition) {
    try {
        co_await queue_.sweep(partition, "api", "", workers_.text());
        co_await drop_blobs(partition, keys::retained(partition));
        co_await drop_blobs(partition, keys::pinned(partition));
        co_await measure(partition);
    } catch (const std::exception& e) {
        levels_.not_reached(partition);
        log::warn("sweep_failed", {{"partition", std::to_string(partition)}, {"why", e.what()}});
    }
}

asio::awaitable<void> upkeep::measure(unsigned partition) {
    auto read = co_await read_levels(queue_.library().redis(), partition, 1);
    auto& l = read.front();
    pace_.note(partition, l.of("claims"), l.seen);
    levels_.note(partition, std::move(l));
}

asio::awaitable<void> upkeep::drop_blobs(unsigned partition, std::string index) {
    auto& redis = queue_.library().redis();
    const auto now = std::to_string(wall_clock());
    const auto count = co_await redis.call(redis::command::of("ZCOUNT", index, "-inf", now));
    // Anywhere among those that are due: some that cannot be dropped must not keep all behind them for ever.
    std::uint32_t dice = 0;
    fill_random(&dice, sizeof dice);
    const auto spare = std::max<std::int64_t>(0, count.number() - most_blobs);
    const auto first = spare == 0 ? 0 : static_cast<std::int64_t>(dice) % (spare + 1);
    const auto due = co_await redis.call(redis::command::of("ZRANGE", index, "-inf", now, "BYSCORE", "LIMIT",
                                                            std::to_string(first), std::to_string(most_blobs)));
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
