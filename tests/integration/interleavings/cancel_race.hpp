// One order of all that can meet a cancel: the worker's finish and its release, copies of the cancel and the finish,
// the end of the lease with a sweep, and another worker's claim.
#pragma once
#include "tests/integration/interleavings/play.hpp"

#include <array>

namespace reprise::interleavings {

enum class racer { cancel, finish, release, sweep, claim };
using race_order = std::array<racer, 7>;

std::vector<race_order> all_race_orders();

class cancel_race : public play {
  public:
    cancel_race(race_order o, run_status end, state first);
    std::optional<request> next() override;
    void heard(const answer& a) override;
    const std::vector<std::string>& trace() const override { return trace_; }

  private:
    std::optional<call> opening_call();
    std::optional<request> next_racer();
    void check_end() const;

    const race_order order_;
    const run_status end_;
    std::string run_;
    claim_ticket ticket_;
    call asked_;
    std::vector<std::string> trace_;
    std::vector<std::string> told_canceled_, told_finished_; // what each copy was answered
    std::size_t opened_ = 0, raced_ = 0;
    bool time_has_passed_ = false, looked_for_more_ = false;
};

} // namespace reprise::interleavings
