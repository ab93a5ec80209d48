#pragma once
#include "common/crypto/digest.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace reprise::worker {

// Before attempt n + 1: full jitter over a capped exponential, so that runs which failed together do not return
// together.
inline std::chrono::milliseconds backoff(int attempt) {
    constexpr std::int64_t base = 1000, cap = 60'000;
    const auto most = std::min(cap, base << std::min(attempt, 10));
    std::uint32_t dice = 0;
    fill_random(&dice, sizeof dice);
    return std::chrono::milliseconds(1 + dice % most);
}

} // namespace reprise::worker
