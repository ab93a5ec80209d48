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
    require(r.indexed, "{} is not in all its indexes", id);
    const bool dead = r.status == run_status::failed || r.status == run_status::expired;
    require(dead || !score_of(s.dead, id), "{} is {} and among the dead letters", id, name_of(r.status));
}

void check_ticket(const state& s, const run_state& r, const std::string& id) {
    const bool in_stream = r.status == run_status::queued && r.where == "stream";
    const auto& mine = r.stream == "again" ? s.again : s.fresh;
    if (in_stream) {
        require(count_of(mine.unread, r, id) == 1, "{} is queued and has no ticket that is yet to be read", id);
        const auto t =
            std::find_if(mine.unread.begin(), mine.unread.end(), [&](const auto& u) { return u.id == r.ticket; });
        require(t->epoch == r.epoch, "{} is in epoch {}, its ticket in {}", id, r.epoch, t->epoch);
    }
    if (r.status == run_status::running)
        require(count_of(mine.pending, r, id) == 1, "{} is running and its ticket is not pending", id);
}

void check_counters(const state& s, std::int64_t accepted, std::int64_t forgotten) {
    std::array<std::int64_t, run_status_names.size()> counted{};
    std::int64_t in_streams = 0, runs = 0;
    for (const auto& r : s.runs) {
        if (!r.exists)
            continue;
        ++runs;
        ++counted[static_cast<std::size_t>(r.status)];
        in_streams += r.status == run_status::queued && r.where == "stream" ? 1 : 0;
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
    same("ghosts", unread - in_streams);
    require(s.again.lag && s.fresh.lag, "Redis does not know a lag");
    require(*s.again.lag + *s.fresh.lag == unread, "the lag is {}, the unread tickets are {}",
            *s.again.lag + *s.fresh.lag, unread);
}

} // namespace

void check_consistent(const state& s, const std::vector<std::string>& runs, std::int64_t accepted,
                      std::int64_t forgotten) {
    std::size_t delayed = 0, blocked = 0;
    for (std::size_t i = 0; i < s.runs.size(); ++i) {
        const auto& r = s.runs[i];
        if (!r.exists)
            continue;
        check_place(s, r, runs[i]);
        check_ticket(s, r, runs[i]);
        delayed += r.status == run_status::queued && r.where == "delayed" ? 1 : 0;
        blocked += r.status == run_status::blocked ? 1 : 0;
    }
    const auto size = [](const scores& set) { return static_cast<std::int64_t>(set.size()); };
    require(size(s.queued) == s.stat("queued") && size(s.leases) == s.stat("running"),
            "a set holds what is no run of the kind");
    require(s.delayed.size() == delayed && s.blocked.size() == blocked &&
                s.blocked_a.size() + s.blocked_b.size() == blocked,
            "a set holds what is no run of the kind");
    check_counters(s, accepted, forgotten);
    require(!s.limit || s.used <= *s.limit, "{} runs are accepted where {} may be", s.used, s.limit.value_or(0));
}

} // namespace reprise::interleavings
