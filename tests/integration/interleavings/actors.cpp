#include "tests/integration/interleavings/actors.hpp"

#include <algorithm>

namespace reprise::interleavings {

void actor::send(int issue, const call& c) {
    message sent{true, number_, issue, c, {}, w_.m.clock(), false};
    w_.network.push_back(sent);
    sent.late = true;
    if (w_.chance.percent(20))
        w_.network.push_back(std::move(sent));
}

void actor::issue(call c) {
    const int issue = ++w_.issues;
    send(issue, c);
    waiting_.push_back({issue, std::move(c)});
}

void actor::hear(int issue, const answer& a) {
    const auto it = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& o) { return o.issue == issue; });
    if (it == waiting_.end())
        return;
    const auto c = std::move(it->what);
    waiting_.erase(it);
    told(c, a);
}

void actor::time_out() {
    const auto i = w_.chance.below(waiting_.size());
    auto late = std::move(waiting_[i].what);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    if (w_.chance.percent(20)) {
        w_.note(fmt::format("{} gives up {}", name_, late.name()));
        give_up(late);
        return;
    }
    if (late.what == fn::claim)
        late.args[4] = std::string("1"); // as the one function whose repetition must say so
    w_.note(fmt::format("{} repeats {}", name_, late.text()));
    issue(std::move(late));
}

void sweeper::act() {
    const auto& s = w_.m.seen();
    const auto due = [&](const scores& set, std::int64_t till) {
        return std::any_of(set.begin(), set.end(), [&](const auto& e) { return e.second <= till; });
    };
    const auto ttl = limits.queue_ttl.count();
    const bool holds_on = std::ranges::any_of(s.held, [&](const auto& h) { return s.pause_of(h.what).empty(); });
    const bool useful = due(s.leases, s.now) || due(s.delayed, s.now) || due(s.ended, s.now) || !s.blocked.empty() ||
                        due(s.queued, s.now - ttl) || holds_on ||
                        (!s.paused.empty() && !s.queued.empty() && w_.chance.percent(30));
    if (is_waiting() || (!useful && !w_.chance.percent(5)))
        return;
    static constexpr std::array tools{"", "", "a", "a b"};
    issue(sweep(tools[w_.chance.below(tools.size())]));
}

// --- dropper ---

std::vector<std::string> dropper::candidates() {
    const auto& s = w_.m.seen();
    std::vector<std::string> due;
    for (const auto& [blob, written] : w_.m.blobs.files) {
        const auto till = score_of(s.retained, std::string(org) + "/" + blob);
        const bool is_due = till ? *till <= s.now : w_.m.clock() - written > day; // a stray
        if (is_due || w_.chance.percent(3)) // or by mistake: drop_if_due decides
            due.push_back(blob);
    }
    return due;
}

void dropper::act() {
    if (is_waiting())
        return;
    if (stage_ == stage::idle && !candidates().empty()) {
        stage_ = stage::sweeping;
        issue(sweep(""));
    } else if (stage_ == stage::swept) {
        auto due = candidates();
        stage_ = stage::idle;
        if (due.empty())
            return;
        blob_ = w_.chance.among(due);
        if (!w_.m.blobs.locks.try_emplace(blob_, static_cast<int>(number_)).second)
            return; // locked by another
        stage_ = stage::asking;
        issue(drop_if_due(blob_));
    } else if (stage_ == stage::unlinking && w_.chance.percent(15)) { // slowly: much may happen before
        w_.note(fmt::format("{} unlinks {}", name_, blob_));
        w_.m.blobs.files.erase(blob_);
        leave_off();
        w_.m.check_files();
    }
}

void dropper::told(const call& c, const answer& a) {
    if (c.what == fn::sweep)
        stage_ = stage::swept;
    else if (a.head == "drop")
        stage_ = stage::unlinking;
    else
        leave_off();
}

void dropper::leave_off() {
    stage_ = stage::idle;
    const auto lock = w_.m.blobs.locks.find(blob_);
    if (lock != w_.m.blobs.locks.end() && lock->second == static_cast<int>(number_))
        w_.m.blobs.locks.erase(lock);
}

void dropper::run_out_of_time() {
    if (stage_ != stage::unlinking)
        crash();
}

void dropper::crash() {
    forget_calls();
    leave_off();
}

} // namespace reprise::interleavings
