// Whether what a call answered is true, and what the model learns of it.
#include "tests/integration/interleavings/model.hpp"

#include <algorithm>

namespace reprise::interleavings {

void model::check_answer(const call& c, const answer& a, const state& after) {
    switch (c.what) {
    case fn::accept:
        check_accept(c, a, after);
        break;
    case fn::cancel:
        check_cancel(c, a, after);
        break;
    case fn::step:
    case fn::finish:
    case fn::release:
    case fn::block:
        check_write(c, a, after);
        break;
    case fn::claim:
        check_claim(c, a, after);
        break;
    case fn::beat:
        check_beat(c, a, after);
        break;
    case fn::sweep:
        check_sweep(c, after);
        break;
    case fn::pin:
    case fn::keep:
        pinned_till_[c.args[2]] = clock_ + pinned_while_putting;
        break;
    case fn::drop_if_due:
        require(a.head != "drop" || !is_pinned(c.args[1]), "{} is dropped although it is pinned", c.args[1]);
        break;
    case fn::leave:
    case fn::pause:
    case fn::resume:
        break; // what they may change says all
    }
}

const model::use_of_key* model::known_use(const std::string& key) const {
    const auto use = uses_.find(key);
    return use == uses_.end() ? nullptr : &use->second;
}

bool model::is_pinned(const std::string& blob) const {
    const auto till = pinned_till_.find(blob);
    return till != pinned_till_.end() && till->second > clock_;
}

void model::check_accept(const call& c, const answer& a, const state& after) {
    const auto &key = c.args[12], &fingerprint = c.args[13];
    const auto* use = known_use(key);
    const bool existed = run(c.run()) != nullptr;
    if (a.head == "accepted") {
        require(!existed && after.run(index_of(c.run())).exists, "{} is accepted and not there", c.run());
        require(!use, "{} is a second run for {}", c.run(), key);
        require(after.used == seen_.used + 1 || after.month != seen_.month, "an accepted run is not in the quota");
        ++accepted_;
        const auto project = fmt::format("project:{}", after.run(index_of(c.run())).project);
        if (std::ranges::find(pausable_, project) == pausable_.end())
            pausable_.push_back(project);
        if (!key.empty())
            uses_[key] = {c.run(), fingerprint, clock_};
    } else if (a.head == "replayed") {
        require(use && use->run == a.detail && use->fingerprint == fingerprint, "{} is no replay for {}", a.detail,
                key);
    } else if (a.head == "repeated") {
        require(a.detail == c.run() && existed, "{} is no repetition", a.detail);
    } else {
        check_refused_accept(c, a);
    }
    if (a.head != "accepted")
        require(after.run(index_of(c.run())).exists == existed && after.used == seen_.used,
                "{} is {} and changed things", c.run(), a.head);
    for (std::size_t i = 0; i < keys_.size() && i < after.idem.size(); ++i) {
        const auto* u = known_use(keys_[i]);
        require(after.idem[i] == (u ? u->fingerprint + " " + u->run : ""), "{} stands for \"{}\"", keys_[i],
                after.idem[i]);
    }
}

void model::check_refused_accept(const call& c, const answer& a) const {
    const auto &blob = c.args[9], &source = c.args[10];
    bool right = false;
    if (a.detail == "inputs_not_retained")
        right = score_of(seen_.retained, std::string(org) + "/" + blob).value_or(0) <= seen_.now + second &&
                (!source.empty() || !is_pinned(blob));
    else if (a.detail == "run_not_found")
        right = !source.empty() && !run(source);
    else if (a.detail == "quota_exceeded")
        right = seen_.limit && seen_.used >= *seen_.limit;
    else if (a.detail == "idempotency_key_reused")
        right = known_use(c.args[12]) && known_use(c.args[12])->fingerprint != c.args[13];
    require(right, "{} is refused for no reason: {}", c.run(), a.detail);
}

void model::check_cancel(const call& c, const answer& a, const state& after) const {
    const auto* b = run(c.run());
    if (!b) {
        require(a.detail == "run_not_found", "the cancel of an unknown run is {}", a.head);
    } else if (may(transition::cancel, b->status)) {
        require(a.ok() && after.run(index_of(c.run())).status == run_status::canceled,
                "{} could be canceled and is not", c.run());
    } else {
        const bool own = b->status == run_status::canceled && b->token == c.args[2];
        require(own ? a.ok() : a.detail == "run_not_cancelable", "{} was {} before its cancel, which is {}", c.run(),
                name_of(b->status), a.head);
    }
}

void model::check_write(const call& c, const answer& a, const state& after) {
    const auto* b = run(c.run());
    const auto& n = after.run(index_of(c.run()));
    const bool holds = b && b->is_held_by(c.args[1], c.args[2]);
    const auto before =
        std::find_if(writes_.begin(), writes_.end(), [&](const accepted_write& w) { return w.what == c; });
    const bool repetition = before != writes_.end();
    if (a.head == "stale") {
        require(!holds, "the holder of {} is told that it is not", c.run());
        require(!b || b->whole == n.whole, "a stale write changed {}", c.run());
        require(!repetition || !b || b->seq != before->seq, "{} of {} was accepted, and its repetition is stale",
                c.name(), c.run());
        return;
    }
    require(a.ok(), "{} answered {}", c.name(), a.head);
    require(holds || repetition, "a write of somebody who does not hold {} is accepted", c.run());
    if (repetition)
        require(b && b->whole == n.whole, "a repeated {} changed {}", c.name(), c.run());
    else
        writes_.push_back({c, n.seq});
}

void model::check_claim(const call& c, const answer& a, const state& after) const {
    require(static_cast<int>(a.runs.size()) <= std::stoi(c.args[2]) || c.args[4] == "1",
            "more is claimed than asked for");
    for (const auto& t : a.runs) {
        const auto& n = after.run(index_of(t.run));
        require(n.is_held_by(std::to_string(t.epoch), c.args[1]), "{} is claimed and not held", t.run);
        const auto* b = run(t.run);
        const bool again = c.args[4] == "1" && b && b->is_held_by(std::to_string(t.epoch), c.args[1]);
        require(again || (b && b->status == run_status::queued && b->where == "stream"), "{} was not to be claimed",
                t.run);
        require(again || (seen_.pause_of("all").empty() && seen_.paused_by(*b).empty()), "{} is paused and claimed",
                t.run);
        require(score_of(after.leases, t.run).value_or(0) >= seen_.now + limits.lease.count(),
                "{} has no whole lease", t.run);
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) {
        const auto told =
            std::any_of(a.runs.begin(), a.runs.end(), [&](const claim_ticket& t) { return t.run == runs_[i]; });
        require(told || seen_.run(i).epoch == after.run(i).epoch || after.run(i).status == run_status::expired,
                "{} is claimed and the answer does not tell", runs_[i]);
        const auto& b = seen_.run(i);
        const bool mine =
            b.exists && b.status == run_status::running && b.token == c.args[1] && b.worker == c.args[0];
        require(told || !mine || c.args[4] != "1", "{} was claimed, and its repetition does not tell", runs_[i]);
    }
}

void model::check_beat(const call& c, const answer& a, const state& after) const {
    for (std::size_t i = 2; i + 2 < c.args.size(); i += 3) {
        const auto* b = run(c.args[i]);
        const bool holds = b && b->is_held_by(c.args[i + 1], c.args[i + 2]);
        const auto told = std::count(a.lost.begin(), a.lost.end(), c.args[i]);
        const bool asked_once = std::count(c.args.begin(), c.args.end(), c.args[i]) == 1; // and not for two epochs
        require((told > 0) != holds || !asked_once, "a beat says the wrong thing of {}", c.args[i]);
        if (holds)
            require(score_of(after.leases, c.args[i]).value_or(0) >= seen_.now + limits.lease.count(),
                    "the lease of {} is not extended", c.args[i]);
    }
}

// What is due before a sweep is not due after it.
void model::check_sweep(const call& c, const state& after) const {
    const auto none_due = [&](const scores& s, std::int64_t till, const char* what) {
        for (const auto& [run, at] : s)
            require(at > till, "{} is still among the {} after a sweep", run, what);
    };
    none_due(after.leases, seen_.now, "leases");
    none_due(after.delayed, seen_.now, "delayed");
    none_due(after.ended, seen_.now, "ended");
    none_due(after.queued, seen_.now - limits.queue_ttl.count(), "queued");
    none_due(after.blocked, seen_.now - limits.queue_ttl.count(), "blocked");
    const auto& tools = c.args[6];
    require(tools.find('a') == std::string::npos || after.blocked_a.empty(),
            "runs stay blocked by a tool that is here");
    require(tools.find('b') == std::string::npos || after.blocked_b.empty(),
            "runs stay blocked by a tool that is here");
}

} // namespace reprise::interleavings
