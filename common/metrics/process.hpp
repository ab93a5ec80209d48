// What every process tells of itself, read from /proc when somebody asks; under the names that all programs use.
#pragma once
#include "common/metrics/exposition.hpp"

namespace reprise::metrics {

class process : public prometheus::Collectable {
  public:
    std::vector<prometheus::MetricFamily> Collect() const override;
};

} // namespace reprise::metrics
