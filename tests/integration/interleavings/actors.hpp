// Who calls Redis: clients of the API, operators, workers, and those that sweep and drop blobs. Each does what the
// real one does between two calls, may be stopped between any two, and repeats a call whose answer did not come.
#pragma once
#include "tests/integration/interleavings/world.hpp"

#include <string>
#include <vector>

namespace reprise::interleavings {

class actor {
  public:
    actor(world& w, std::size_t number, std::string name) : w_(w), number_(number), name_(std::move(name)) {}
    virtual ~actor() = default;
    actor(const actor&) = delete;
    actor& operator=(const actor&) = delete;

    virtual void act() = 0; // the next thing it does by itself, if any
    virtual void crash() = 0;
    virtual void run_out_of_time() {} // half an hour, or longer, has passed

    void hear(int issue, const answer& a); // passed over when it no longer waits for it
    void time_out();                       // of one call that it waits for
    void freeze(bool frozen) { frozen_ = frozen; }
    bool is_frozen() const { return frozen_; }
    bool is_waiting() const { return !waiting_.empty(); }
    const std::string& name() const { return name_; }

  protected:
    virtual void told(const call& c, const answer& a) = 0;
    virtual void give_up(const call& c) = 0; // without ever knowing what became of it
    void issue(call c);
    void forget_calls() { waiting_.clear(); }

    world& w_;
    const std::size_t number_;
    std::string name_;

  private:
    void send(int issue, const call& c);
    struct outstanding {
        int issue;
        call what;
    };
    std::vector<outstanding> waiting_;
    bool frozen_ = false;
};

// One request at a time: a start (pin, put, accept), a retry (look at the disk, accept) or a cancel.
class client : public actor {
  public:
    using actor::actor;
    void act() override;
    void crash() override;
    void run_out_of_time() override { crash(); } // no request lasts that long

  protected:
    void told(const call& c, const answer& a) override;
    void give_up(const call&) override { stage_ = stage::idle; }

  private:
    enum class stage { idle, waiting, pinned, stored };
    void begin();
    bool choose_order();
    void put();
    stage stage_ = stage::idle;
    order order_;
};

class worker : public actor {
  public:
    using actor::actor;
    void act() override;
    void crash() override; // and a new one comes in its place
    void run_out_of_time() override;
    bool holds_any() const { return !held_.empty(); }

  protected:
    void told(const call& c, const answer& a) override;
    void give_up(const call& c) override;

  private:
    struct held_run {
        claim_ticket ticket;
        int step = 0;
        bool step_begun = false, busy = false;
        enum { nothing, pinning, pinned, stored } artifact = nothing;
        std::string blob;
        bool late = false; // past its deadline: it is only to be failed
    };
    void work_on(held_run& h);
    void write_wrongly(const held_run& h);
    void end_step(held_run& h);
    void beat_all();
    void drop(const std::string& run, const std::string& epoch);
    held_run* find(const call& c);
    std::vector<held_run> held_;
    bool claiming_ = false, beating_ = false;
};

class sweeper : public actor {
  public:
    using actor::actor;
    void act() override;
    void crash() override { forget_calls(); }

  protected:
    void told(const call&, const answer&) override {}
    void give_up(const call&) override {}
};

// An operator: pauses what there is, and resumes it.
class pauser : public actor {
  public:
    using actor::actor;
    void act() override;
    void crash() override { forget_calls(); }

  protected:
    void told(const call&, const answer&) override {}
    void give_up(const call&) override {}

  private:
    std::string choose();
};

// Sweeps, then drops one blob that is due: lock, drop_if_due, unlink, unlock.
class dropper : public actor {
  public:
    using actor::actor;
    void act() override;
    void crash() override;
    void run_out_of_time() override; // of a sweep before that long ago it makes no use

  protected:
    void told(const call& c, const answer& a) override;
    void give_up(const call&) override { leave_off(); }

  private:
    enum class stage { idle, sweeping, swept, asking, unlinking };
    std::vector<std::string> candidates();
    void leave_off();
    stage stage_ = stage::idle;
    std::string blob_;
};

} // namespace reprise::interleavings
