#pragma once
#include <cstdint>
#include <ctime>

namespace reprise::worker {

// CLOCK_BOOTTIME in ms: what leases are counted by on a host. Unlike CLOCK_MONOTONIC it goes on while the machine sleeps.
inline std::int64_t boottime_ms() {
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

} // namespace reprise::worker
