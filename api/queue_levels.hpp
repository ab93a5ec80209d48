// How full the queues in Redis are: of each partition one hash of counters and the edges of two sorted sets, whatever the number
// of runs. What the upkeep read last, once a second, is kept for whoever shows it, so that no scrape asks Redis.
#pragma once
#include "common/redis/connection.hpp"
#include "common/time.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

struct queue_level {
    std::map<std::string, std::int64_t, std::less<>> stats; // the counters that transitions write
    std::int64_t delayed = 0;
    unix_ms oldest = 0; // when the run that waits longest was queued; 0: none waits
    unix_ms seen = 0;   // when this was read; 0: never
    bool reached = false;
    std::int64_t of(std::string_view field) const; // 0 if there is no such counter
    std::int64_t in_streams() const;               // queued runs that a worker may take now
    std::int64_t oldest_seconds() const;           // that the run has waited which waits longest; 0: none waits
    void add(const queue_level& more);             // sums; the oldest; seen and reached as the worst of them
};

// As they are now, of these partitions, in one round trip. Throws outage.
boost::asio::awaitable<std::vector<queue_level>> read_levels(redis::connection& c, unsigned first, unsigned count);
// Of all partitions together.
boost::asio::awaitable<queue_level> read_whole_level(redis::connection& c, unsigned partitions);

class queue_levels {
  public:
    explicit queue_levels(unsigned partitions) : of_(partitions) {}

    // --- by the upkeep ---
    void note(unsigned partition, queue_level l);
    void not_reached(unsigned partition);
    void unsafe(bool is) { unsafe_ = is; }

    // --- by anyone ---
    queue_level all() const; // partitions together
    std::int64_t oldest_seconds(unsigned partition) const;
    bool is_unsafe() const { return unsafe_; } // Redis does not promise what it is to promise

  private:
    mutable std::mutex lock_;
    std::vector<queue_level> of_;
    std::atomic<bool> unsafe_ = false;
};

} // namespace reprise::api
