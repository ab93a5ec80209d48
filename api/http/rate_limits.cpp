#include "api/http/rate_limits.hpp"

#include <algorithm>
#include <cmath>

namespace reprise::api {

namespace {
constexpr std::size_t most_names = 100'000; // made-up names must not grow the table
} // namespace

std::int64_t rate_limits::window_seconds() const {
    return unlimited() ? 0 : std::max<std::int64_t>(1, std::llround(static_cast<double>(burst_) / per_second_));
}

rate_state rate_limits::take(std::string_view name, clock::time_point now) {
    return draw(name, 1, now);
}

rate_state rate_limits::look(std::string_view name, clock::time_point now) {
    return draw(name, 0, now);
}

rate_state rate_limits::draw(std::string_view name, double tokens, clock::time_point now) {
    if (unlimited())
        return {};
    const auto full = static_cast<double>(burst_);
    const std::lock_guard held(lock_);
    if (buckets_.size() >= most_names) // a full bucket is what a new one is: nothing is forgotten
        std::erase_if(buckets_, [&](const auto& b) {
            return b.second.tokens + std::chrono::duration<double>(now - b.second.at).count() * per_second_ >= full;
        });
    if (buckets_.size() >= most_names)
        buckets_.clear();
    auto& b = buckets_.try_emplace(std::string(name), bucket{full, now}).first->second;
    b.tokens = std::min(full, b.tokens + std::chrono::duration<double>(now - b.at).count() * per_second_);
    b.at = now;
    rate_state s;
    s.allowed = b.tokens >= std::max(tokens, 1.0);
    if (s.allowed)
        b.tokens -= tokens;
    s.remaining = static_cast<std::int64_t>(b.tokens);
    const auto missing = s.allowed ? full - b.tokens : 1 - b.tokens;
    s.reset_seconds = static_cast<std::int64_t>(std::ceil(missing / per_second_));
    return s;
}

} // namespace reprise::api
