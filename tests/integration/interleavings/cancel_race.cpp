#include "tests/integration/interleavings/cancel_race.hpp"

#include <algorithm>

namespace reprise::interleavings {

std::vector<race_order> all_race_orders() {
    race_order o{racer::cancel,  racer::cancel, racer::finish, racer::finish,
                 racer::release, racer::sweep,  racer::claim};
    std::sort(o.begin(), o.end());
    std::vector<race_order> all;
    do
        all.push_back(o);
    while (std::next_permutation(o.begin(), o.end()));
    return all;
}

cancel_race::cancel_race(race_order o, run_status end, state first)
    : play(std::move(first)), order_(o), end_(end), run_(model_.new_run()) {
    model_.blobs.files.emplace("b0", 0);
}

std::optional<request> cancel_race::next() {
    if (auto c = opening_call()) {
        asked_ = std::move(*c);
        return request{asked_, 0, false};
    }
    if (auto r = next_racer())
        return r;
    if (!looked_for_more_) { // whoever comes now finds nothing to do
        looked_for_more_ = true;
        asked_ = claim("w3", "t3", 10, false);
        return request{asked_, 0, false};
    }
    check_end();
    return std::nullopt;
}

std::optional<call> cancel_race::opening_call() {
    switch (opened_++) {
    case 0:
        return pin("b0");
    case 1:
        return accept({run_, "", "b0", "", ""});
    case 2:
        return claim("w1", "t1", 1, false);
    default:
        return std::nullopt;
    }
}

std::optional<request> cancel_race::next_racer() {
    if (raced_ == order_.size())
        return std::nullopt;
    const auto who = order_[raced_];
    if (who == racer::sweep && !time_has_passed_) {
        time_has_passed_ = true;
        trace_.emplace_back("the lease ends");
        return request{std::nullopt, 16 * second, true};
    }
    ++raced_;
    switch (who) {
    case racer::cancel:
        asked_ = cancel(run_, "c1");
        break;
    case racer::finish:
        asked_ = finish(ticket_, end_);
        break;
    case racer::release:
        asked_ = release(ticket_, 0);
        break;
    case racer::sweep:
        asked_ = sweep("");
        break;
    case racer::claim:
        asked_ = claim("w2", "t2", 1, false);
        break;
    }
    return request{asked_, 0, false};
}

void cancel_race::heard(const answer& a) {
    if (a.head.empty()) // time
        return;
    trace_.push_back(asked_.text() + " -> " + a.text());
    if (asked_.what == fn::claim && ticket_.run.empty())
        ticket_ = a.runs.at(0);
    if (asked_.what == fn::cancel)
        told_canceled_.push_back(a.head);
    if (asked_.what == fn::finish)
        told_finished_.push_back(a.head);
}

// Exactly one has won, and every copy of a call was answered as the first was.
void cancel_race::check_end() const {
    model_.check_all_ended();
    const auto alike = [](const std::vector<std::string>& told) { return told.front() == told.back(); };
    require(alike(told_canceled_), "two copies of the cancel were answered differently");
    require(alike(told_finished_), "two copies of the finish were answered differently");
    const bool canceled = told_canceled_.front() == "ok", finished = told_finished_.front() == "ok";
    require(canceled != finished, "the cancel is {}, the finish {}", told_canceled_.front(), told_finished_.front());
    const auto& r = *model_.run(run_);
    require(r.status == (canceled ? run_status::canceled : end_), "the run is {}", name_of(r.status));
    require(!canceled || r.token == "c1", "the cancel did not leave its token");
}

} // namespace reprise::interleavings
