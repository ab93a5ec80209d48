#include "common/time.hpp"

#include <chrono>

namespace reprise {
namespace {

// Every answer has half a dozen times: no format string is read for them.
void put_digits(std::string& out, std::size_t at, std::int64_t n, std::size_t digits) {
    for (std::size_t i = digits; i-- > 0; n /= 10)
        out[at + i] = static_cast<char>('0' + n % 10);
}

} // namespace

unix_ms wall_clock() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(unix_ms t) {
    using namespace std::chrono;
    const sys_time<milliseconds> when{milliseconds{t}};
    const auto day = floor<days>(when);
    const year_month_day date{day};
    const auto of_day = (when - day).count();
    std::string out = "0000-00-00T00:00:00.000Z";
    put_digits(out, 0, static_cast<int>(date.year()), 4);
    put_digits(out, 5, static_cast<unsigned>(date.month()), 2);
    put_digits(out, 8, static_cast<unsigned>(date.day()), 2);
    put_digits(out, 11, of_day / 3'600'000, 2);
    put_digits(out, 14, of_day / 60'000 % 60, 2);
    put_digits(out, 17, of_day / 1000 % 60, 2);
    put_digits(out, 20, of_day % 1000, 3);
    return out;
}

unix_ms end_of_month(std::int64_t month) {
    using namespace std::chrono;
    const auto next = month + 1;
    const year_month_day first{year{static_cast<int>(next / 12)},
                               std::chrono::month{static_cast<unsigned>(next % 12) + 1}, day{1}};
    return duration_cast<milliseconds>(sys_days{first}.time_since_epoch()).count();
}

} // namespace reprise
