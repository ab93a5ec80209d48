// Times as they leave Redis and as they are shown: milliseconds since 1970, and RFC 3339 in UTC.
#pragma once
#include <cstdint>
#include <string>

namespace reprise {

using unix_ms = std::int64_t;

unix_ms wall_clock();           // for ids and logs; never decides anything about a run
std::string rfc3339(unix_ms t); // 2026-01-02T03:04:05.678Z

// Start of the month after `month`, which counts year * 12 + month - 1.
unix_ms end_of_month(std::int64_t month);

} // namespace reprise
