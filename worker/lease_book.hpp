// The runs that this worker holds, and what it hears of them from Redis.
#pragma once
#include "common/queue/run_queue.hpp"

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace reprise::worker {

class command;
class worker_metrics;

// One run held. The book marks it lost or wanted back; whoever works on it looks here after every wait, and has its
// command killed from here.
struct held_run {
    claim_ticket ticket;
    std::int64_t lease_end = 0; // CLOCK_BOOTTIME ms; from when the last acknowledged claim or beat was sent
    bool lost = false;          // somebody else's, or nobody's: write nothing more
    bool hand_back = false;     // draining: stop, and release it
    command* running = nullptr; // the command of the step in hand
    std::string_view step;      // its name; the plan's own

    bool stopping() const { return lost || hand_back; }
    void extend(std::int64_t until);
    void stop_command();
};

class lease_book {
  public:
    explicit lease_book(worker_metrics& counted) : counted_(counted) {}
    std::shared_ptr<held_run> add(const claim_ticket& t, std::int64_t lease_end);
    void remove(const claim_ticket& t) { held_.erase({t.run, t.epoch}); }
    std::size_t size() const { return held_.size(); }
    bool empty() const { return held_.empty(); }
    void hand_back_all();
    std::string text() const; // `run step` on lines; the first 256

    // Extends the leases of all runs of a partition in one call. Throws outage.
    boost::asio::awaitable<void> beat(unsigned partition, run_queue& queue, const std::string& worker);
    // Asks which of them are no longer ours, extending nothing. Throws outage.
    boost::asio::awaitable<void> check(unsigned partition, run_queue& queue);

  private:
    std::vector<claim_ticket> held_in(unsigned partition) const;
    held_run* find(const claim_ticket& t);
    void mark_lost(const std::vector<lost_run>& lost, const std::vector<claim_ticket>& asked);

    worker_metrics& counted_;
    // By run and epoch: a run that was lost may be claimed anew before the work on it has ended here.
    std::map<std::pair<std::string, std::int64_t>, std::shared_ptr<held_run>> held_;
};

} // namespace reprise::worker
