#include "tests/integration/interleavings/model.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace reprise::interleavings {
namespace {

// A claim ends a run that waited too long and that no sweep has met yet.
constexpr transition by_claim[] = {transition::claim, transition::expire}, by_finish[] = {transition::finish},
                     by_release[] = {transition::release}, by_block[] = {transition::block},
                     by_cancel[] = {transition::cancel},
                     by_sweep[] = {transition::lose, transition::unblock, transition::expire};

std::span<const transition> transitions_of(fn f) {
    switch (f) {
    case fn::claim:
        return by_claim;
    case fn::finish:
        return by_finish;
    case fn::release:
        return by_release;
    case fn::block:
        return by_block;
    case fn::cancel:
        return by_cancel;
    case fn::sweep:
        return by_sweep;
    default:
        return {};
    }
}

// The transition that leads from one status to the other and is this function's to make.
std::optional<transition> transition_between(fn f, run_status from, run_status to) {
    for (const auto t : transitions_of(f))
        if (may(t, from) && (lifecycle_table::to[static_cast<std::size_t>(t)] & lifecycle_table::bit(to)) != 0)
            return t;
    return std::nullopt;
}

bool concerns(const call& c, const std::string& run) {
    switch (c.what) {
    case fn::claim:
    case fn::sweep:
    case fn::resume:
        return true;
    case fn::accept:
    case fn::cancel:
    case fn::step:
    case fn::finish:
    case fn::release:
    case fn::block:
        return c.run() == run;
    default:
        return false;
    }
}

// All that an end leaves as it is, and retention too.
bool is_as_it_ended(const run_state& then, const run_state& now) {
    return then.epoch == now.epoch && then.token == now.token && then.where == now.where &&
           then.ticket == now.ticket && then.kept == now.kept && then.made == now.made &&
           then.verdict == now.verdict && then.error == now.error && then.worker == now.worker &&
           then.lost == now.lost && then.ended == now.ended && then.expires == now.expires;
}

} // namespace

std::size_t model::index_of(std::string_view id) const {
    return static_cast<std::size_t>(std::find(runs_.begin(), runs_.end(), id) - runs_.begin());
}

const run_state* model::run(std::string_view id) const {
    const auto& r = seen_.run(index_of(id));
    return r.exists ? &r : nullptr;
}

void model::called(const call& c, const answer& a, state after) {
    check_changes(c, a, after);
    check_answer(c, a, after);
    for (std::size_t i = 0; i < runs_.size(); ++i)
        if (seen_.run(i).exists && !after.run(i).exists)
            forgotten_.insert(runs_[i]);
    seen_ = std::move(after);
    note_late_runs();
    check_consistent(seen_, runs_, accepted_, static_cast<std::int64_t>(forgotten_.size()));
    check_files();
}

void model::passed(std::int64_t ms, state after) {
    for (std::size_t i = 0; i < runs_.size(); ++i)
        require(seen_.run(i).status == after.run(i).status && seen_.run(i).history == after.run(i).history,
                "{} changed by time alone", runs_[i]);
    clock_ += ms;
    std::erase_if(uses_, [&](const auto& u) { return clock_ - u.second.at >= idem_kept; });
    seen_ = std::move(after);
    note_late_runs();
}

// --- what changed ---

void model::check_changes(const call& c, const answer& a, const state& after) const {
    for (const auto& e : after.events)
        require(index_of(e.run) < runs_.size(), "an event of the unknown run {}", e.run);
    for (std::size_t i = 0; i < runs_.size(); ++i)
        if (seen_.run(i).whole != after.run(i).whole)
            check_run(c, i, after);
    check_retained(c, a, after);
    check_paused(c, a, after);
    check_sides_counted(c, after);

    const bool stale = a.head == "stale";
    require(after.refused_writes - seen_.refused_writes == (stale ? 1 : 0), "the list of refused writes grew by {}",
            after.refused_writes - seen_.refused_writes);
    const auto* r = c.is_fenced() ? run(c.run()) : nullptr;
    const bool canceled = r && r->status == run_status::canceled;
    require(after.stat("fenced") - seen_.stat("fenced") == (stale && !canceled ? 1 : 0),
            "`fenced` is counted wrongly");
    require(after.stat("fenced_canceled") - seen_.stat("fenced_canceled") == (stale && canceled ? 1 : 0),
            "`fenced_canceled` is counted wrongly");
}

void model::check_run(const call& c, std::size_t i, const state& after) const {
    const auto& id = runs_[i];
    const auto &b = seen_.run(i), &n = after.run(i);
    require(concerns(c, id), "{} changed by a call that is not about it", id);
    if (!b.exists) {
        require(c.what == fn::accept && !forgotten_.contains(id), "{} came into being by {}", id, c.name());
        require(n.status == run_status::queued && n.seq == 1, "{} is accepted, but {}", id, name_of(n.status));
    } else if (!n.exists) {
        require(c.what == fn::sweep && b.status == run_status::expired && b.ended + records_kept <= after.now,
                "{} vanished, and was {}", id, name_of(b.status));
        return;
    }
    check_path(c, i, after);
    check_sides(c, i, after);
    if (b.exists && is_terminal(b.status))
        require(n.status == run_status::expired && is_as_it_ended(b, n), "{} changed after its end", id);
}

// The events tell the way from what the run was to what it is: dense, and each step one that the function may make.
void model::check_path(const call& c, std::size_t i, const state& after) const {
    const auto& id = runs_[i];
    const auto &b = seen_.run(i), &n = after.run(i);
    auto seq = b.seq, epoch = b.epoch;
    auto status = b.status;
    bool any = false;
    for (const auto& e : after.events) {
        if (e.run != id)
            continue;
        require(e.seq == ++seq, "{}: event {} where {} is next", id, e.seq, seq);
        bool moves_on = false;
        if (e.type.starts_with("run.")) {
            const auto to = status_of(e.type.substr(4));
            require(to.has_value(), "{}: an event of type {}", id, e.type);
            const auto t = b.exists || any ? transition_between(c.what, status, *to) : std::nullopt;
            require(t || (!b.exists && !any), "{}: {} made it {} from {}", id, c.name(), name_of(*to),
                    name_of(status));
            if (t)
                check_time(c, i, *t, after.now);
            moves_on = t && *t != transition::finish && !(*t == transition::expire && is_terminal(status));
            status = *to;
        } else {
            require(c.is_fenced(), "{}: an event of a step by {}", id, c.name());
        }
        const auto now_in = e.epoch.value_or(moves_on ? epoch + 1 : epoch);
        require(moves_on ? now_in > epoch : now_in == epoch, "{}: epoch {} after {} by {}", id, now_in, epoch,
                e.type);
        epoch = now_in;
        any = true;
    }
    require(seq == n.seq && status == n.status, "{}: the events say {} {}, the run {} {}", id, seq, name_of(status),
            n.seq, name_of(n.status));
    require(epoch == n.epoch, "{}: the events say epoch {}, the run {}", id, epoch, n.epoch);
    const bool promoted = c.what == fn::sweep && b.waits_in("delayed");
    require(!promoted || any || score_of(seen_.delayed, id).value_or(after.now + 1) <= after.now,
            "{} is delayed no longer, and too early", id);
    require(any || promoted || changes_sides(i, after), "{} changed without an event", id);
    require(n.lost == b.lost || (c.what == fn::sweep && n.lost == b.lost + 1), "{} lost {} leases after {}", id,
            n.lost, b.lost);
    require(n.lost < limits.poison_after || n.status == run_status::failed || is_terminal(b.status),
            "{} lost {} leases and is {}", id, n.lost, name_of(n.status));
}

// What time brings about does not come before its time.
void model::check_time(const call& c, std::size_t i, transition t, std::int64_t now) const {
    const auto& id = runs_[i];
    const auto is_due = [&](const scores& s) { return score_of(s, id).value_or(now + 1) <= now; };
    if (t == transition::lose)
        require(is_due(seen_.leases), "{} is taken from its worker before its lease ends", id);
    if (t == transition::unblock)
        require(c.args[6].find(seen_.run(i).tool) != std::string::npos, "{} is freed for a tool that is not here",
                id);
    if (t == transition::expire)
        require(is_terminal(seen_.run(i).status) ? is_due(seen_.ended) : is_overdue(i), "{} is expired too early",
                id);
}

// What is promised to be kept is never kept shorter, and dropped only when it may be.
void model::check_retained(const call& c, const answer& a, const state& after) const {
    for (const auto& [member, till] : seen_.retained) {
        const auto kept = score_of(after.retained, member);
        const bool dropped =
            c.what == fn::drop_if_due && a.head == "drop" && member == std::string(org) + "/" + c.args[1];
        if (dropped)
            require(!kept && till <= after.now, "{} is dropped before its time", member);
        else
            require(kept && *kept >= till, "{} was to be kept longer", member);
    }
}

// Waiting for longer than the queue TTL.
bool model::is_overdue(std::size_t i) const {
    const auto since = score_of(seen_.run(i).status == run_status::blocked ? seen_.blocked : seen_.queued, runs_[i]);
    return since && *since + limits.queue_ttl.count() <= seen_.now + second;
}

// Whoever takes up a run past its deadline fails it. (While it is blocked, its time stands still.)
void model::note_late_runs() {
    for (std::size_t i = 0; i < seen_.runs.size(); ++i) {
        const auto& r = seen_.runs[i];
        if (r.exists && !is_terminal(r.status) && r.status != run_status::blocked && r.claimed > 0 &&
            r.claimed + limits.run_deadline.count() <= seen_.now)
            late_.insert(i);
    }
}

// A run is owed its inputs until its retention is over; one that waits, until the next sweep ends it.
bool model::is_owed_blobs(std::size_t i) const {
    const auto& r = seen_.run(i);
    if (!r.exists || r.status == run_status::expired || late_.contains(i))
        return false;
    if (is_terminal(r.status))
        return r.expires > seen_.now;
    return !is_overdue(i);
}

void model::check_files() const {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
        if (!is_owed_blobs(i))
            continue;
        const auto& r = seen_.run(i);
        for (const auto list : {r.kept, r.made})
            for (std::size_t from = 0; from < list.size();) {
                const auto to = std::min(list.find(' ', from), list.size());
                const auto blob = list.substr(from, to - from);
                from = to + 1;
                const auto till = score_of(seen_.retained, std::string(org) + "/" + std::string(blob));
                require(till && *till > seen_.now && (!is_terminal(r.status) || *till >= r.expires),
                        "{} is {} and needs {}, which is not kept long enough", runs_[i], name_of(r.status), blob);
                require(blobs.files.contains(blob), "{} is {} and needs {}, which is not on disk", runs_[i],
                        name_of(r.status), blob);
            }
    }
}

void model::check_all_ended() const {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
        const auto& r = seen_.run(i);
        require(!r.exists || is_terminal(r.status), "{} never ends: {}", runs_[i], name_of(r.status));
    }
    for (const auto* s : {&seen_.again, &seen_.fresh})
        require(s->unread.empty() && s->pending.empty(), "tickets are left");
    require(seen_.stat("ghosts") == 0 && seen_.stat("held") == 0, "{} ghosts and {} held runs are left",
            seen_.stat("ghosts"), seen_.stat("held"));
}

} // namespace reprise::interleavings
