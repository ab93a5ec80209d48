// Times of calls, and what is said of them.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace reprise::bench {

using clock = std::chrono::steady_clock;

inline double seconds_of(clock::duration d) {
    return std::chrono::duration<double>(d).count();
}

class latencies {
  public:
    void add(clock::duration d) { taken_.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count()); }
    std::size_t size() const { return taken_.size(); }

    // Microseconds. 0 when nothing was measured.
    double percentile(double share) {
        if (taken_.empty())
            return 0;
        std::sort(taken_.begin(), taken_.end());
        const auto at = static_cast<std::size_t>(share * static_cast<double>(taken_.size()));
        return static_cast<double>(taken_[std::min(at, taken_.size() - 1)]) / 1000;
    }

    // Members of a JSON object: "p50":1.2,"p99":...
    std::string members() {
        return fmt::format(R"("p50":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f})", percentile(0.5),
                           percentile(0.99), percentile(0.999), percentile(1));
    }

  private:
    std::vector<std::int64_t> taken_; // ns
};

} // namespace reprise::bench
