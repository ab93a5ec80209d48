// What the upkeep last read of the queues in Redis, once a second and partition: one hash of counters and the edges of two sorted
// sets, whatever the number of runs. Read by whoever shows it, so that no scrape asks Redis.
#pragma once
#include "common/time.hpp"

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
};

class queue_levels {
  public:
    explicit queue_levels(unsigned partitions) : of_(partitions) {}

    // --- by the upkeep ---
    void note(unsigned partition, queue_level l);
    void not_reached(unsigned partition);
    void unsafe(bool is) { unsafe_ = is; }

    // --- by anyone ---
    // All partitions together: sums; the oldest; seen and reached as the worst of them.
    queue_level all() const;
    bool is_unsafe() const { return unsafe_; } // Redis does not promise what it is to promise

  private:
    mutable std::mutex lock_;
    std::vector<queue_level> of_;
    std::atomic<bool> unsafe_ = false;
};

} // namespace reprise::api
