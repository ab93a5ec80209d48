#include "api/throughput.hpp"

#include <algorithm>
#include <cmath>

namespace reprise::api {

namespace {
constexpr double memory_ms = 30'000; // after which a change has come through to two thirds
} // namespace

void throughput::note(unsigned partition, std::int64_t taken, unix_ms now) {
    auto& m = of_.at(partition);
    const auto before = m.taken;
    const auto passed = static_cast<double>(now - m.at);
    m.taken = taken;
    m.at = now;
    if (before < 0 || taken < before || passed <= 0)
        return; // the first look, or another Redis
    const auto rate = static_cast<double>(taken - before) * 1000 / passed;
    const auto share = 1 - std::exp(-passed / memory_ms);
    m.per_second = m.per_second + (rate - m.per_second) * share;
}

std::optional<std::int64_t> throughput::seconds_for(unsigned partition, std::int64_t queued) const {
    const double rate = partition < of_.size() ? of_[partition].per_second.load() : 0;
    if (rate < 0.01)
        return std::nullopt;
    return std::max<std::int64_t>(1, std::llround(static_cast<double>(queued) / rate));
}

} // namespace reprise::api
