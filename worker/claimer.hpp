// Takes as many runs as there are free slots, one loop per partition; with none queued it waits for the bell.
#pragma once
#include "common/queue/run_queue.hpp"
#include "worker/bell.hpp"
#include "worker/change.hpp"
#include "worker/lease_book.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace reprise::worker {

// How the worker is to go on, by signals and by orders.
struct intent {
    bool draining = false; // for good
    bool quiet = false;
};

class claimer {
  public:
    struct place {
        boost::asio::io_context& io;
        run_queue& queue;
        const lease_book& held;
        change& changed; // told when a slot is free again, or the intent is another
        const intent& wants;
    };
    // `take` gets each run, and when the call that claimed it was sent (CLOCK_BOOTTIME ms). All must outlive it.
    using taker = std::function<void(claimed_run, std::int64_t)>;
    claimer(place where, std::string worker, std::size_t slots, taker take);

    void add_partition(const redis::options& o);          // the next one
    boost::asio::awaitable<void> run(unsigned partition); // until the worker drains
    void close_bells();
    bool may_still_take() const { return loops_ > 0; }

  private:
    boost::asio::awaitable<void> take_lost(unsigned partition, std::string token);
    boost::asio::awaitable<void> pause();

    const place at_;
    const std::string worker_;
    const std::size_t slots_;
    const taker take_;
    std::vector<std::unique_ptr<bell>> bells_; // one for each partition
    std::size_t claiming_ = 0;                 // slots promised to claims in flight
    int loops_ = 0;
};

} // namespace reprise::worker
