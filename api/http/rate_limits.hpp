// How often a caller may call: a bucket of tokens for each name (a key, or an address that sent wrong keys), filled at a
// steady rate. Shared by all threads of a process; each holds the lock for a look into a table, and no longer.
#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace reprise::api {

struct rate_state {
    bool allowed = true;
    std::int64_t remaining = 0;     // tokens left now
    std::int64_t reset_seconds = 0; // until the bucket is full again; or, when refused, until the next token
};

class rate_limits {
  public:
    // `per_second` 0: no limit. The bucket holds `burst` tokens.
    rate_limits(double per_second, std::int64_t burst) : per_second_(per_second), burst_(burst) {}

    bool unlimited() const { return per_second_ <= 0; }
    std::int64_t burst() const { return burst_; }
    // Seconds in which an empty bucket fills.
    std::int64_t window_seconds() const;

    using clock = std::chrono::steady_clock;

    // Takes a token.
    rate_state take(std::string_view name, clock::time_point now = clock::now());
    // The same without taking one.
    rate_state look(std::string_view name, clock::time_point now = clock::now());

  private:
    struct bucket {
        double tokens = 0;
        clock::time_point at;
    };
    rate_state draw(std::string_view name, double tokens, clock::time_point now);

    const double per_second_;
    const std::int64_t burst_;
    std::mutex lock_;
    std::unordered_map<std::string, bucket> buckets_;
};

} // namespace reprise::api
