// What is known elsewhere and shown among the metrics: the queues as the upkeep saw them last, the workers, connections.
#pragma once
#include "api/fleet.hpp"
#include "api/queue_levels.hpp"
#include "api/watch/watched_runs.hpp"
#include "common/metrics/exposition.hpp"

#include <atomic>

namespace reprise::api {

class sampled_metrics : public prometheus::Collectable {
  public:
    // All must outlive it. `most_queued`: of all partitions together.
    sampled_metrics(const queue_levels& levels, const fleet& workers, const watched_runs& watched,
                    const std::atomic<unsigned>& connections, unsigned most_connections, std::int64_t most_queued)
        : levels_(levels),
          workers_(workers),
          watched_(watched),
          connections_(connections),
          most_connections_(most_connections),
          most_queued_(most_queued) {}

    std::vector<prometheus::MetricFamily> Collect() const override;

  private:
    const queue_levels& levels_;
    const fleet& workers_;
    const watched_runs& watched_;
    const std::atomic<unsigned>& connections_;
    const unsigned most_connections_;
    const std::int64_t most_queued_;
};

} // namespace reprise::api
