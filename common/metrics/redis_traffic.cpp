#include "common/metrics/redis_traffic.hpp"

namespace reprise::metrics {

redis_traffic::redis_traffic(exposition& e)
    : seconds_(prometheus::BuildHistogram()
                   .Name("reprise_redis_round_trip_seconds")
                   .Help("From a call of Redis to its answer, in this process; without calls that are to wait there")
                   .Register(e.registry())
                   .Add({}, prometheus::Histogram::BucketBoundaries{.0001, .00025, .0005, .001, .0025, .005, .01,
                                                                    .025, .05, .1, .25, 1})),
      lost_(prometheus::BuildCounter()
                .Name("reprise_redis_connections_lost_total")
                .Help("Connections to Redis that broke after they had served")
                .Register(e.registry())
                .Add({})),
      again_(prometheus::BuildCounter()
                 .Name("reprise_redis_reconnects_total")
                 .Help("Connections to Redis that were made after one had failed")
                 .Register(e.registry())
                 .Add({})) {}

void redis_traffic::answered(std::chrono::nanoseconds after) {
    seconds_.Observe(std::chrono::duration<double>(after).count());
}

} // namespace reprise::metrics
