// What the queue was like before, from the samples that sweeps leave in Redis (functions/samples.lua), all partitions together.
#pragma once
#include "api/services.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

enum class sample_span { hour, week }; // every 10 s, every 10 min

struct sample {
    // Counters first, which only grow; then gauges. An earlier build wrote no more than `busy`, or `held`; the rest reads as 0, and
    // while such samples are among the latest, what a pause put back before them counts as if it had arrived.
    enum column {
        accepted,
        started,
        ended,
        failed,
        queued,
        running,
        blocked,
        oldest_seconds,
        workers,
        slots,
        busy,
        held,
        set_aside, // these two are counters again
        put_back
    };
    static constexpr std::array<std::string_view, 14> names{
        "accepted",      "started", "ended", "failed", "queued", "running",  "blocked",
        "oldestSeconds", "workers", "slots", "busy",   "held",   "setAside", "putBack"};
    std::int64_t at = 0; // seconds
    std::array<std::int64_t, names.size()> values{};
    std::int64_t operator[](column c) const { return values[c]; }
};

// The latest ones, the oldest first. Throws outage.
boost::asio::awaitable<std::vector<sample>> read_samples(services& s, sample_span span, std::size_t most);

// By how much it changed over these samples, per second; 0 with fewer than two.
double per_second(const std::vector<sample>& samples, sample::column of);
double mean(const std::vector<sample>& samples, sample::column gauge);
std::string fixed_point(double d); // with three digits, as JSON takes it

} // namespace reprise::api
