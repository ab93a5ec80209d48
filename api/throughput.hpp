// How fast the queue of each partition moves: runs taken by workers per second, smoothed. Written by the upkeep once a sweep,
// read by every serving thread.
#pragma once
#include "common/time.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace reprise::api {

class throughput {
  public:
    explicit throughput(unsigned partitions) : of_(partitions) {}

    // `taken`: how many runs have left the queue so far. Called by one thread, in the order of time.
    void note(unsigned partition, std::int64_t taken, unix_ms now);

    // Seconds until `queued` runs will have been taken, at least 1; nothing while nobody takes any.
    std::optional<std::int64_t> seconds_for(unsigned partition, std::int64_t queued) const;

  private:
    struct measured {
        std::atomic<double> per_second = 0;
        std::int64_t taken = -1; // at the last note
        unix_ms at = 0;
    };
    std::vector<measured> of_;
};

} // namespace reprise::api
