// Everything that Redis holds of one schedule, as one look found it.
#pragma once
#include "common/redis/resp.hpp"
#include "common/run/lifecycle.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::interleavings {

struct run_state {
    bool exists = false;
    run_status status{};
    std::int64_t epoch = 0, seq = 0, lost = 0, claimed = 0, ended = 0, expires = 0;
    std::string_view token, where, stream, ticket, tool, kept, made, history, verdict, error, worker, project,
        held_by;
    bool indexed = false;   // in the lists of its organisation, its project, its root and its status
    std::string_view whole; // all fields as Redis keeps them; means something only when compared
    std::shared_ptr<redis::reply> read_from;

    bool is_held_by(std::string_view e, std::string_view t) const {
        return exists && status == run_status::running && token == t && std::to_string(epoch) == e;
    }
    bool waits_in(std::string_view place) const { return exists && status == run_status::queued && where == place; }
};

struct ticket_state {
    std::string_view id, run;
    std::int64_t epoch = 0;
};

struct stream_state {
    std::optional<std::int64_t> lag; // as Redis says it
    std::vector<ticket_state> unread, pending;
};

struct event_state {
    std::string_view run, type;
    std::int64_t seq = 0;
    std::optional<std::int64_t> epoch;
};

// Those that a pause holds.
struct held_set {
    std::string_view what;
    std::vector<std::string_view> runs;
};

using scores = std::vector<std::pair<std::string_view, std::int64_t>>;
std::optional<std::int64_t> score_of(const scores& s, std::string_view member);

// All views point into the replies of the look, or of the one that read a run last.
struct state {
    std::int64_t now = 0;
    std::vector<run_state> runs; // in the order in which they were asked for
    scores queued, leases, delayed, blocked, blocked_a, blocked_b, ended, retained, listed, dead;
    scores stats;
    stream_state again, fresh;
    std::vector<std::pair<std::string_view, std::string_view>> paused; // what, and since when, by whom and why
    std::vector<held_set> held;                                        // no empty ones
    std::vector<std::string_view> holds;
    std::vector<event_state> events;    // since the last look
    std::vector<std::string_view> idem; // what each key was used for, empty if unknown
    std::int64_t used = 0, month = 0, refused_writes = 0;
    std::optional<std::int64_t> limit; // of the organisation's runs

    std::int64_t stat(std::string_view name) const;
    const run_state& run(std::size_t i) const; // one that does not exist if it was not asked for
    const stream_state& stream_of(const run_state& r) const { return r.stream == "again" ? again : fresh; }
    bool has_unread_ticket(const run_state& r) const;
    std::string_view pause_of(std::string_view what) const; // empty if it is not paused
    std::string_view paused_by(const run_state& r) const;   // but for `all`; empty if nothing does

    std::vector<std::shared_ptr<redis::reply>> read_from;
};

} // namespace reprise::interleavings
