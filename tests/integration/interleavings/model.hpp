// What clients and workers were told so far, what is on disk, and the checks: each call may change what its function
// is there for and nothing else, its answer is true, no promise is taken back, and Redis agrees with itself after it.
#pragma once
#include "tests/integration/interleavings/call.hpp"
#include "tests/integration/interleavings/state.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace reprise::interleavings {

struct violation : std::runtime_error {
    using runtime_error::runtime_error;
};

template <class... Text>
void require(bool holds, fmt::format_string<Text...> otherwise, Text&&... text) {
    if (!holds)
        throw violation(fmt::format(otherwise, std::forward<Text>(text)...));
}

// The blob store: what is on disk since when, and which actor holds which lock.
struct disk {
    std::map<std::string, std::int64_t, std::less<>> files;
    std::map<std::string, int> locks;
};

class model {
  public:
    explicit model(state first) : seen_(std::move(first)) {}

    // Names that a look asks for: made before the call that uses them.
    std::string new_run() { return runs_.emplace_back(fmt::format("run-{}", runs_.size())); }
    std::string new_key() { return keys_.emplace_back(fmt::format("key-{}", keys_.size())); }
    const std::vector<std::string>& runs() const { return runs_; }
    const std::vector<std::string>& keys() const { return keys_; }
    // All, the mode, and the projects that there are.
    const std::vector<std::string>& pausable() const { return pausable_; }

    // Each throws violation.
    void called(const call& c, const answer& a, state after);
    void passed(std::int64_t ms, state after); // time
    void check_files() const;                  // what live runs and unexpired results need is on disk
    void check_all_ended() const;
    void check_all_aside() const;  // after so many sweeps that they have seen all
    void check_none_aside() const; // the same, with nothing paused any more

    const state& seen() const { return seen_; }
    std::int64_t clock() const { return clock_; }    // ms since the schedule began, but for its own run time
    const run_state* run(std::string_view id) const; // null if Redis knows it not

    disk blobs;

  private:
    struct use_of_key {
        std::string run, fingerprint;
        std::int64_t at;
    };

    struct accepted_write {
        call what;
        std::int64_t seq; // of the run, after it
    };

    std::size_t index_of(std::string_view id) const;
    bool is_overdue(std::size_t i) const;
    bool is_owed_blobs(std::size_t i) const;
    void note_late_runs();
    const use_of_key* known_use(const std::string& key) const;

    // What changed (model.cpp).
    void check_changes(const call& c, const answer& a, const state& after) const;
    void check_run(const call& c, std::size_t i, const state& after) const;
    void check_path(const call& c, std::size_t i, const state& after) const;
    void check_time(const call& c, std::size_t i, transition t, std::int64_t now) const;
    void check_retained(const call& c, const answer& a, const state& after) const;

    // Pauses (pauses.cpp).
    bool changes_sides(std::size_t i, const state& after) const;
    bool pauses_nothing(const call& c) const;
    void check_paused(const call& c, const answer& a, const state& after) const;
    void check_sides(const call& c, std::size_t i, const state& after) const;
    void check_sides_counted(const call& c, const state& after) const;

    // What was answered (answers.cpp).
    void check_answer(const call& c, const answer& a, const state& after);
    void check_accept(const call& c, const answer& a, const state& after);
    bool is_pinned(const std::string& blob) const;
    void check_refused_accept(const call& c, const answer& a) const;
    void check_cancel(const call& c, const answer& a, const state& after) const;
    void check_write(const call& c, const answer& a, const state& after);
    void check_claim(const call& c, const answer& a, const state& after) const;
    void check_beat(const call& c, const answer& a, const state& after) const;
    void check_sweep(const call& c, const state& after) const;

    std::vector<std::string> runs_, keys_, pausable_{"all", "mode:" + std::string(run_mode)};
    state seen_;
    std::map<std::string, use_of_key> uses_;
    std::map<std::string, std::int64_t> pinned_till_;
    std::vector<accepted_write> writes_; // of workers, that were accepted
    std::set<std::string> forgotten_;    // ended, and gone with their records
    std::set<std::size_t> late_;         // seen past their deadline: nobody will work on them
    std::int64_t accepted_ = 0, clock_ = 0;
};

// All counters, sets, tickets and hashes say the same (consistency.cpp). `accepted`, `forgotten`: so many runs were.
void check_consistent(const state& s, const std::vector<std::string>& runs, std::int64_t accepted,
                      std::int64_t forgotten);

} // namespace reprise::interleavings
