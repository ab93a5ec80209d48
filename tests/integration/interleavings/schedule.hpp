// A random schedule: each step is an actor's, the network's, time's, or a fault. Then everybody stops, a healthy
// worker comes, and every run must end.
#pragma once
#include "tests/integration/interleavings/actors.hpp"
#include "tests/integration/interleavings/play.hpp"

#include <memory>

namespace reprise::interleavings {

class schedule : public play {
  public:
    schedule(std::uint64_t seed, state first);
    std::optional<request> next() override;
    void heard(const answer& a) override;
    const std::vector<std::string>& trace() const override { return world_.trace; }

  private:
    enum class mood { ordinary, without_workers, dying_workers };
    static mood mood_of(std::uint64_t seed);
    void let_act(actor& who);
    std::optional<request> one_step(); // nothing: one that asks nothing of Redis
    actor& somebody();
    std::optional<request> deliver();
    void lose();
    void strike(); // an actor with a crash, or with a time in which it does nothing
    request let_time_pass();
    std::optional<request> heal();
    std::optional<request> end_pauses();
    request ask(call c);

    world world_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::optional<message> under_way_; // the request that Redis is carrying out
    std::string asked_;                // as text
    int calls_left_;
    const mood mood_; // until the healthy worker comes
    int rounds_ = 0, stage_ = 0, sweeps_left_ = 0;
    enum class pauses { stay, are_swept, end, ended } pauses_ = pauses::stay;
    std::vector<claim_ticket> to_finish_; // by the healthy worker
    bool healing_ = false;
};

} // namespace reprise::interleavings
