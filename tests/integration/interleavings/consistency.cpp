// The sets, the tickets, the counters and the hashes each say which runs are in which state: they always agree.
#include "tests/integration/interleavings/model.hpp"

#include <algorithm>
#include <array>

namespace reprise::interleavings {
namespace {

std::size_t count_of(const std::vector<ticket_state>& tickets, const run_state& r, std::string_view id) {
    return static_cast<std::size_t>(std::count_if(
        tickets.begin(), tickets.end(), [&](const ticket_state& t) { return t.run == id && t.id == r.ticket; }));
}

// A run that a pause holds stands among those of that pause, and no other run does: whatever takes one out of its place
// takes it out of there. What it was held by only stays with a run that has ended.
void check_aside(const state& s, const run_state& r, const std::string& id) {
    const bool is_aside = r.waits_in("held");
    for (const auto& h : s.held) {
        const auto times = std::ranges::count(h.runs, id);
        require(times == (is_aside && h.what == r.held_by ? 1 : 0), "{} is {} ({} {}) and {} times among those of {}",
                id, name_of(r.status), r.where, r.held_by, times, h.what);
    }
    require(!is_aside || std::ranges::count(s.held, r.held_by, &held_set::what) == 1, "{} is not among those of {}",
            id, r.held_by);
    require(is_aside || is_terminal(r.status) || r.held_by.empty(), "{} is {} ({}) and still held by {}", id,
            name_of(r.status), r.where, r.held_by);
}

void check_place(const state& s, const run_state& r, const std::string& id) {
    const auto in = [&](const scores& set, bool wanted, const char* name) {
        require(score_of(set, id).has_value() == wanted, "{} is {} ({}) and {}in the set {}", id, name_of(r.status),
                r.where, wanted ? "not " : "", name);
    };
    const bool waits = r.status == run_status::queued, is_blocked = r.status == run_status::blocked;
    in(s.queued, waits, "queued");
    in(s.delayed, waits && r.where == "delayed", "delayed");
    in(s.leases, r.status == run_status::running, "leases");
    in(s.blocked, is_blocked, "blocked");
    in(s.blocked_a, is_blocked && r.tool == "a", "blocked:a");
    in(s.blocked_b, is_blocked && r.tool == "b", "blocked:b");
    in(s.ended, is_terminal(r.status), "ended");
    in(s.listed, true, "runs");
    check_aside(s, r, id);
    require(r.indexed, "{} is not in all its indexes", id);
    const bool dead = r.status == run_status::failed || r.status == run_status::expired;
    require(dead || !score_of(s.dead, id), "{} is {} and among the dead letters", id, name_of(r.status));
}

void check_ticket(const state& s, const run_state& r, const std::string& id) {
    const bool in_stream = r.waits_in("stream");
    const auto& mine = s.stream_of(r);
    if (in_stream) {
        require(count_of(mine.unread, r, id) == 1, "{} is queued and has no ticket that is yet to be read", id);
        const auto t =
            std::find_if(mine.unread.begin(), mine.unread.end(), [&](const auto& u) { return u.id == r.ticket; });
        require(t->epoch == r.epoch, "{} is in epoch {}, its ticket in {}", id, r.epoch, t->epoch);
    }
    // Another one that would count: of a run that waits beside its stream, only its own, once it is let go.
    for (const auto* stream : {&s.again, &s.fresh})
        for (const auto& t : stream->unread)
            require(t.run != id || t.epoch != r.epoch || is_terminal(r.status) || t.id == r.ticket,
                    "{} is {} ({}) with the ticket \"{}\" and has {}, too", id, name_of(r.status), r.where, r.ticket,
                    t.id);
    if (r.status == run_status::running)
        require(count_of(mine.pending, r, id) == 1, "{} is running and its ticket is not pending", id);
}

void check_counters(const state& s, std::int64_t accepted, std::int64_t forgotten) {
    std::array<std::int64_t, run_status_names.size()> counted{};
    std::int64_t in_streams = 0, aside = 0, runs = 0;
    for (const auto& r : s.runs) {
        if (!r.exists)
            continue;
        ++runs;
        ++counted[static_cast<std::size_t>(r.status)];
        in_streams += r.waits_in("stream") ? 1 : 0;
        aside += r.waits_in("held") ? 1 : 0;
    }
    const auto same = [&](std::string_view name, std::int64_t is) {
        require(s.stat(name) == is, "the counter `{}` says {}, and it is {}", name, s.stat(name), is);
    };
    for (std::size_t i = 0; i < counted.size(); ++i)
        same(run_status_names[i], counted[i]);
    same("accepted", accepted);
    same("forgotten", forgotten);
    require(runs + forgotten == accepted, "{} runs were accepted, {} forgotten, {} are there", accepted, forgotten,
            runs);
    require(static_cast<std::int64_t>(s.listed.size()) == runs, "{} runs are listed, {} are there", s.listed.size(),
            runs);

    const auto running = counted[static_cast<std::size_t>(run_status::running)];
    const auto pending = static_cast<std::int64_t>(s.again.pending.size() + s.fresh.pending.size());
    require(pending == running, "{} tickets are pending, {} runs running", pending, running);
    const auto unread = static_cast<std::int64_t>(s.again.unread.size() + s.fresh.unread.size());
    same("ghosts", unread - in_streams); // with those of held runs whose tickets nobody has read
    same("held", aside);
    require(s.again.lag && s.fresh.lag, "Redis does not know a lag");
    require(*s.again.lag + *s.fresh.lag == unread, "the lag is {}, the unread tickets are {}",
            *s.again.lag + *s.fresh.lag, unread);
}

} // namespace

void check_consistent(const state& s, const std::vector<std::string>& runs, std::int64_t accepted,
                      std::int64_t forgotten) {
    std::size_t delayed = 0, blocked = 0, aside = 0, held = 0;
    for (std::size_t i = 0; i < s.runs.size(); ++i) {
        const auto& r = s.runs[i];
        if (!r.exists)
            continue;
        check_place(s, r, runs[i]);
        check_ticket(s, r, runs[i]);
        delayed += r.waits_in("delayed") ? 1 : 0;
        aside += r.waits_in("held") ? 1 : 0;
        blocked += r.status == run_status::blocked ? 1 : 0;
    }
    const auto size = [](const scores& set) { return static_cast<std::int64_t>(set.size()); };
    require(size(s.queued) == s.stat("queued") && size(s.leases) == s.stat("running"),
            "a set holds what is no run of the kind");
    require(s.delayed.size() == delayed && s.blocked.size() == blocked &&
                s.blocked_a.size() + s.blocked_b.size() == blocked,
            "a set holds what is no run of the kind");
    for (const auto& h : s.held) {
        held += h.runs.size();
        require(std::ranges::count(s.holds, h.what) == 1, "no sweep will find what {} held", h.what);
    }
    require(held == aside, "{} are among the held, {} runs are", held, aside);
    check_counters(s, accepted, forgotten);
    require(!s.limit || s.used <= *s.limit, "{} runs are accepted where {} may be", s.used, s.limit.value_or(0));
}

} // namespace reprise::interleavings
