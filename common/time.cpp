#include "common/time.hpp"

#include <fmt/format.h>

#include <chrono>

namespace reprise {
namespace {

struct broken_down {
    std::chrono::year_month_day date;
    std::chrono::hh_mm_ss<std::chrono::milliseconds> time;
};

broken_down break_down(unix_ms t) {
    using namespace std::chrono;
    const sys_time<milliseconds> when{milliseconds{t}};
    const auto day = floor<days>(when);
    return {year_month_day{day}, hh_mm_ss<milliseconds>{when - day}};
}

} // namespace

unix_ms wall_clock() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(unix_ms t) {
    const auto b = break_down(t);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(b.date.year()),
                       static_cast<unsigned>(b.date.month()), static_cast<unsigned>(b.date.day()),
                       b.time.hours().count(), b.time.minutes().count(), b.time.seconds().count(),
                       b.time.subseconds().count());
}

unix_ms end_of_month(std::int64_t month) {
    using namespace std::chrono;
    const auto next = month + 1;
    const year_month_day first{year{static_cast<int>(next / 12)},
                               std::chrono::month{static_cast<unsigned>(next % 12) + 1}, day{1}};
    return duration_cast<milliseconds>(sys_days{first}.time_since_epoch()).count();
}

} // namespace reprise
