// Runs and projects as they stand in Redis: hashes, read whole. Values; nothing refers back to Redis.
#pragma once
#include "common/redis/reply.hpp"
#include "common/run/lifecycle.hpp"
#include "common/time.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise {

// What never changes of a run is one field of its hash, `fixed`, so that whatever reads or writes the others passes over it in
// one go: a line `name value` for each fact that there is. No value has a line's end: documents are JSON on one line, and a
// reason, which people write, is a JSON string.
std::string fixed_line(std::string_view name, std::string_view value); // empty if the value is
std::string fixed_text_line(std::string_view name, std::string_view text);

std::int64_t number_of(std::string_view text); // 0 if it is none

// The fields of a hash. Few enough for a linear search.
class record {
  public:
    record() = default;
    // Flat: field, value, field, value ... What is in `fixed` are fields like others.
    explicit record(redis::reply_view hgetall);

    bool empty() const { return fields_.empty(); }
    std::string_view text(std::string_view field) const; // empty if absent
    std::int64_t number(std::string_view field) const;   // 0 if absent or empty
    void set(std::string_view field, std::string value);
    std::size_t bytes() const; // of names and values
    void append(std::string_view field, std::string value) {
        fields_.emplace_back(field, std::move(value));
    } // a new one

  private:
    void add_fixed(std::string_view lines);
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct step_record {
    std::string facts;          // JSON object: name, status, attempt, error ...
    std::string_view artifacts; // JSON array, or empty
    unix_ms started = 0, ended = 0;
    std::int64_t began_as = 0, ended_as = 0; // the seq of these events; 0: not told, or by a line of `trail`
};

// `at` of a step's events stands in a record as milliseconds since its `created`; an earlier build wrote the time itself.
unix_ms time_of_step(std::int64_t at, unix_ms created);

struct run_record {
    std::string id;
    record fields; // see functions/accept.lua for those that an accepted run has

    run_status status() const;
    std::string_view org() const { return fields.text("org"); }
    std::string_view project() const { return fields.text("project"); }
    std::int64_t seq() const { return fields.number("seq"); }
    std::int64_t epoch() const { return fields.number("epoch"); }
    std::string_view source() const; // of a retry; empty for a start
    unix_ms kept_until() const;      // its inputs and artifacts
    // With views into `fields`. Nothing for a step that has not begun; throws std::runtime_error if its line is none.
    std::optional<step_record> step(std::size_t index) const;
    std::vector<step_record> steps() const; // those in the field `steps`, without their artifacts

  private:
    std::optional<step_record> step_of_earlier_build(const std::string& index) const;
};

} // namespace reprise
