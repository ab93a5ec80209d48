#include "worker/claimer.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "worker/command/command.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace reprise::worker {
namespace asio = boost::asio;

namespace {
constexpr auto after_failure = std::chrono::milliseconds(500);
constexpr std::size_t most_at_once = 64;
} // namespace

claimer::claimer(place where, std::string worker, std::size_t slots, taker take)
    : at_(where), worker_(std::move(worker)), slots_(slots), take_(std::move(take)) {}

void claimer::add_partition(const redis::options& o) {
    bells_.push_back(std::make_unique<bell>(at_.io.get_executor(), o));
}

void claimer::close_bells() {
    for (auto& b : bells_)
        b->close();
}

asio::awaitable<void> claimer::run(unsigned partition) {
    ++loops_;
    auto token = random_base32(16);
    bool repeated = false;
    while (!at_.wants.draining) {
        if (at_.wants.quiet) {
            if (std::exchange(repeated, false)) {
                co_await take_lost(partition, token);
                token = random_base32(16); // what it took must not be found by it again
            }
            co_await at_.changed.wait();
            continue;
        }
        const auto taken = at_.held.size() + claiming_;
        if (taken >= slots_) {
            co_await at_.changed.wait();
            continue;
        }
        const auto most = std::min(slots_ - taken, most_at_once);
        claiming_ += most;
        claim_result got;
        bool failed = false;
        const auto sent = boottime_ms();
        try {
            got = co_await at_.queue.claim(partition, worker_, token, most, repeated);
            repeated = false;
        } catch (const outage& e) {
            failed = true;
            repeated = true; // perhaps it was carried out: the same token finds the runs
            log::warn("claim_failed", {{"why", e.what()}});
        } catch (const redis::refused& e) {
            failed = true;
            log::error("claim_refused", {{"why", e.what()}});
        }
        claiming_ -= most;
        for (auto& c : got.runs)
            take_(std::move(c), sent);
        if (!got.runs.empty())
            token = random_base32(16);
        if (failed)
            co_await pause();
        else if (got.runs.empty() && !got.looked_at_tickets && !co_await bells_.at(partition)->wait(partition))
            co_await pause();
    }
    if (repeated)
        co_await take_lost(partition, token);
    --loops_;
    at_.changed.tell();
}

// The last claim before a drain, or before it went quiet, was left without an answer: the runs that it may have taken are
// looked after now, instead of by a sweep when their lease has ended.
asio::awaitable<void> claimer::take_lost(unsigned partition, std::string token) {
    const auto sent = boottime_ms();
    try {
        auto got = co_await at_.queue.claim(partition, worker_, std::move(token), 0, true);
        for (auto& c : got.runs)
            take_(std::move(c), sent);
    } catch (const std::exception& e) {
        log::warn("claim_failed", {{"why", e.what()}}); // then by the sweep after all
    }
}

asio::awaitable<void> claimer::pause() {
    asio::steady_timer timer(at_.io, after_failure);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

} // namespace reprise::worker
