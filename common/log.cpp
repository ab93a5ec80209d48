#include "common/log.hpp"

#include "common/json/utf8.hpp"
#include "common/json/writer.hpp"
#include "common/time.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <vector>

namespace reprise::log {
namespace {

constexpr std::size_t longest_value = 2048;
constexpr unsigned most_of_one_event = 20; // a second, from warnings up

struct sink {
    std::shared_ptr<spdlog::logger> out = spdlog::stderr_logger_mt("reprise");
    std::string process = "reprise";
    bool json = ::isatty(STDERR_FILENO) == 0;
    std::atomic<level> least = level::info;

    sink() {
        out->set_pattern("%v");
        out->set_level(spdlog::level::trace);
        out->flush_on(spdlog::level::trace);
    }
};

sink& the_sink() {
    static sink s;
    return s;
}

constexpr std::string_view names[] = {"debug", "info", "warn", "error"};

// Keeps an outage from filling the disk with what every request has to say of it.
class moderation {
  public:
    // How many lines of this event were left out before this one; nothing if this one is left out, too.
    std::optional<unsigned> admit(std::string_view event) {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard held(lock_);
        auto& t = tallies_[std::string(event)]; // there are as many as there are events in the code
        if (now - t.began >= std::chrono::seconds(1)) {
            t.began = now;
            t.written = 0;
        }
        if (t.written == most_of_one_event) {
            ++t.left_out;
            return std::nullopt;
        }
        ++t.written;
        return std::exchange(t.left_out, 0);
    }

  private:
    struct tally {
        std::chrono::steady_clock::time_point began;
        unsigned written = 0, left_out = 0;
    };
    std::mutex lock_;
    std::unordered_map<std::string, tally> tallies_;
};

std::string as_json(const sink& s, level l, std::string_view event, std::span<const field> fields) {
    json::writer w;
    w.begin_object()
        .member("time", rfc3339(wall_clock()))
        .member("level", names[static_cast<int>(l)])
        .member("process", s.process)
        .member("event", event);
    for (const auto& f : fields)
        w.member(f.key, utf8_prefix(f.value, longest_value));
    w.end_object();
    return w.take();
}

std::string as_text(level l, std::string_view event, std::span<const field> fields) {
    std::string line = rfc3339(wall_clock()).substr(11, 12);
    line.append(" ").append(names[static_cast<int>(l)]).append(" ").append(event);
    for (const auto& f : fields) {
        line.append("  ").append(f.key).append("=");
        // Control characters are escaped: what callers send must not drive a terminal.
        for (const char c : utf8_prefix(f.value, longest_value))
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                line += '?';
            else
                line += c;
    }
    return line;
}

} // namespace

void configure(std::string_view level_name, std::string_view process) {
    for (std::size_t i = 0; i < std::size(names); ++i)
        if (names[i] == level_name) {
            the_sink().least = static_cast<level>(i);
            the_sink().process = process;
            return;
        }
    throw std::invalid_argument("the log level is debug, info, warn or error");
}

bool writes(level l) {
    return l >= the_sink().least.load(std::memory_order_relaxed);
}

void write(level l, std::string_view event, std::span<const field> fields) {
    auto& s = the_sink();
    if (!writes(l))
        return;
    std::vector<field> said(fields.begin(), fields.end());
    if (l >= level::warn) {
        static moderation moderated;
        const auto left_out = moderated.admit(event);
        if (!left_out)
            return;
        if (*left_out > 0)
            said.push_back({"left_out", std::to_string(*left_out)});
    }
    s.out->log(spdlog::level::info, s.json ? as_json(s, l, event, said) : as_text(l, event, said));
}

} // namespace reprise::log
