#include "common/metrics/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace reprise::metrics {

namespace {

// /proc/self/stat behind the name of the program, which may contain anything.
struct stat_line {
    double user = 0, system = 0, started = 0, resident = 0; // ticks, ticks, ticks since boot, pages
    bool read() {
        std::ifstream in("/proc/self/stat");
        std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
        const auto end = text.rfind(')');
        if (end == std::string::npos)
            return false;
        std::istringstream fields(text.substr(end + 1));
        std::string skipped;
        constexpr int user_at = 14, started_at = 22, resident_at = 24; // as in proc(5), which counts from 1
        for (int n = 3; n <= resident_at; ++n) {
            if (n == user_at)
                fields >> user >> system, ++n;
            else if (n == started_at)
                fields >> started;
            else if (n == resident_at)
                fields >> resident;
            else
                fields >> skipped;
        }
        return !fields.fail();
    }
};

// Seconds since 1970 at which the system was started.
double boot_time() {
    std::ifstream in("/proc/stat");
    for (std::string word; in >> word;)
        if (double at = 0; word == "btime" && in >> at)
            return at;
    return 0;
}

double open_files() {
    std::error_code ec;
    double n = 0;
    for (std::filesystem::directory_iterator it("/proc/self/fd", ec), end; !ec && it != end; it.increment(ec))
        ++n;
    return n > 0 ? n - 1 : 0; // one is the directory that is being read
}

double file_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

} // namespace

std::vector<prometheus::MetricFamily> process::Collect() const {
    std::vector<prometheus::MetricFamily> out;
    out.push_back(family(prometheus::MetricType::Gauge, "reprise_build_info", "1, labelled with what was built")
                      .value(1, {{"version", REPRISE_VERSION}})
                      .take());
    out.push_back(gauge("process_open_fds", "Open file descriptors", open_files()));
    out.push_back(gauge("process_max_fds", "File descriptors that may be open", file_limit()));
    stat_line now;
    if (!now.read())
        return out;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    out.push_back(counter("process_cpu_seconds_total", "Processor time used, in the kernel too",
                          (now.user + now.system) / ticks));
    out.push_back(gauge("process_start_time_seconds", "When the process started, in seconds since 1970",
                        boot_time() + now.started / ticks));
    out.push_back(gauge("process_resident_memory_bytes", "Memory of the process that is resident",
                        now.resident * static_cast<double>(::sysconf(_SC_PAGESIZE))));
    return out;
}

} // namespace reprise::metrics
