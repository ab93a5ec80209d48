// What a process' connections to Redis tell: how long calls take, and how often a connection was lost.
#pragma once
#include "common/metrics/exposition.hpp"
#include "common/redis/connection.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

namespace reprise::metrics {

class redis_traffic : public redis::observer {
  public:
    // The exposition must outlive it.
    explicit redis_traffic(exposition& e);
    void answered(std::chrono::nanoseconds after) override;
    void lost() override { lost_.Increment(); }
    void connected_again() override { again_.Increment(); }

  private:
    prometheus::Histogram& seconds_;
    prometheus::Counter &lost_, &again_;
};

} // namespace reprise::metrics
