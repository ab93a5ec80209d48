// The calls of the queue's functions as data: they can wait in a network, be sent twice, and be compared with what
// was said before. Arguments are those that run_queue.cpp gives.
#pragma once
#include "common/queue/run_queue.hpp"
#include "common/redis/reply.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::interleavings {

enum class fn {
    accept,
    cancel,
    pin,
    keep,
    drop_if_due,
    claim,
    beat,
    step,
    finish,
    release,
    block,
    sweep,
    leave,
    pause,
    resume
};
inline constexpr std::array<std::string_view, 15> fn_names{"accept", "cancel", "pin",   "keep",   "drop_if_due",
                                                           "claim",  "beat",   "step",  "finish", "release",
                                                           "block",  "sweep",  "leave", "pause",  "resume"};

inline const queue_limits limits; // the defaults
inline constexpr std::int64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
inline constexpr std::int64_t pinned_while_putting = hour, idem_kept = day, records_kept = 90 * day;
inline constexpr std::string_view org = "acme", run_mode = "flagship";

struct call {
    fn what{};
    std::vector<std::string> args;

    std::string_view name() const { return fn_names[static_cast<std::size_t>(what)]; }
    const std::string& run() const { return args[0]; } // of accept, cancel, and a worker's writes
    bool is_fenced() const {
        return what == fn::step || what == fn::finish || what == fn::release || what == fn::block;
    }
    bool ends_step() const; // a call of `step`
    bool ends_step_alone() const;
    // How Redis is called: the writes of workers are one function.
    std::string_view function() const { return is_fenced() ? "advance" : name(); }
    std::vector<std::string> words() const;
    bool operator==(const call& o) const = default;
    std::string text() const; // for a trace
};

// What an accept is about. A start has no source.
struct order {
    std::string run, source, blob, idem, fingerprint;
};

call accept(const order& o);
call cancel(const std::string& run, const std::string& token);
call pin(const std::string& blob);
call keep(const std::string& blob); // the same, of workers
call drop_if_due(const std::string& blob);
call claim(const std::string& worker, const std::string& token, int most, bool repeated);
call beat(const std::string& worker, const std::vector<claim_ticket>& held);
enum class told { begin, end, end_alone }; // of a step; the last is of one that took no time
call step(const claim_ticket& t, int index, told what, const std::string& blob);
call finish(const claim_ticket& t, run_status s);
call release(const claim_ticket& t, std::int64_t delay);
call block(const claim_ticket& t, const std::string& tool);
call sweep(const std::string& tools);
call leave(const std::string& worker);
call pause(const std::string& what, const std::string& actor, const std::string& reason);
call resume(const std::string& what, const std::string& actor);

// What a function answered.
struct answer {
    std::string head, detail;       // ok, stale, refused; its code, the run of accept, or all that is paused now
    std::vector<claim_ticket> runs; // claimed
    std::vector<std::string> lost;  // runs that a beat says are the caller's no more

    bool ok() const { return head == "ok"; }
    std::string text() const;
};

answer answer_of(const call& c, redis::reply_view r);

} // namespace reprise::interleavings
