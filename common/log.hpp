// One line per event: a name and fields. JSON when standard error is not a terminal, else text; by spdlog. Of warnings and
// errors with one name, 20 a second are written; the next one then says how many were `left_out`.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::log {

struct field {
    std::string_view key;
    std::string value; // escaped when written; at most 2 KiB of it are kept
};

enum class level { debug, info, warn, error };

// "debug", "info", "warn", "error"; throws std::invalid_argument otherwise. Called once, before any thread starts.
void configure(std::string_view level_name, std::string_view process);

// Whether a line of this level is written at all: for those who would make many lines, or costly ones.
bool writes(level l);

void write(level l, std::string_view event, std::span<const field> fields);

inline void write(level l, std::string_view event, std::initializer_list<field> f) {
    write(l, event, std::span<const field>(f.begin(), f.size()));
}

inline void debug(std::string_view event, std::initializer_list<field> f = {}) {
    write(level::debug, event, f);
}
inline void info(std::string_view event, std::initializer_list<field> f = {}) {
    write(level::info, event, f);
}
inline void warn(std::string_view event, std::initializer_list<field> f = {}) {
    write(level::warn, event, f);
}
inline void error(std::string_view event, std::initializer_list<field> f = {}) {
    write(level::error, event, f);
}

} // namespace reprise::log
