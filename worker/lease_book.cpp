#include "worker/lease_book.hpp"

#include "common/log.hpp"
#include "common/run/id.hpp"
#include "worker/command/command.hpp"
#include "worker/worker_metrics.hpp"

#include <algorithm>

namespace reprise::worker {
namespace asio = boost::asio;

namespace {
constexpr std::size_t most_listed = 256;
}

void held_run::extend(std::int64_t until) {
    lease_end = until;
    if (running)
        running->extend(until);
}

void held_run::stop_command() {
    if (running)
        running->stop();
}

std::shared_ptr<held_run> lease_book::add(const claim_ticket& t, std::int64_t lease_end) {
    auto h = std::make_shared<held_run>();
    h->ticket = t;
    h->lease_end = lease_end;
    held_[{t.run, t.epoch}] = h;
    return h;
}

void lease_book::hand_back_all() {
    for (auto& [id, h] : held_) {
        h->hand_back = true;
        h->stop_command();
    }
}

std::string lease_book::text() const {
    std::string out;
    for (std::size_t n = 0; const auto& [id, h] : held_) {
        if (n++ == most_listed)
            break;
        out.append(id.first).append(" ").append(h->step).append("\n");
    }
    return out;
}

asio::awaitable<void> lease_book::beat(unsigned partition, run_queue& queue, const std::string& worker) {
    const auto asked = held_in(partition);
    if (asked.empty())
        co_return;
    const auto sent = boottime_ms(); // not when the reply comes: a slow reply must not stretch a lease
    const auto lost = co_await queue.beat(partition, worker, asked);
    mark_lost(lost, asked);
    for (const auto& t : asked)
        if (auto* h = find(t); h && !h->lost)
            h->extend(sent + queue.limits().lease.count());
}

asio::awaitable<void> lease_book::check(unsigned partition, run_queue& queue) {
    const auto asked = held_in(partition);
    if (asked.empty())
        co_return;
    const auto lost = co_await queue.check(partition, asked);
    mark_lost(lost, asked);
}

std::vector<claim_ticket> lease_book::held_in(unsigned partition) const {
    std::vector<claim_ticket> out;
    for (const auto& [id, h] : held_)
        if (!h->lost && partition_of(id_kind::run, id.first) == partition)
            out.push_back(h->ticket);
    return out;
}

held_run* lease_book::find(const claim_ticket& t) {
    const auto found = held_.find({t.run, t.epoch}); // it may have ended since the question was sent
    return found == held_.end() ? nullptr : found->second.get();
}

void lease_book::mark_lost(const std::vector<lost_run>& lost, const std::vector<claim_ticket>& asked) {
    auto next = asked.begin(); // answers come in the order of the questions, of which two may be about one run
    for (const auto& l : lost) {
        const auto about = std::ranges::find(next, asked.end(), l.run, &claim_ticket::run);
        if (about == asked.end())
            break;
        next = std::next(about);
        auto* h = find(*about);
        if (!h)
            continue;
        log::info("run_lost", {{"run", l.run}, {"status", l.status}});
        counted_.lost(l.status == "canceled");
        h->lost = true;
        h->stop_command();
    }
}

} // namespace reprise::worker
