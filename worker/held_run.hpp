// A run that this worker holds. The lease book marks it lost or wanted back; whoever works on it looks here after every
// wait, and has its command killed from here.
#pragma once
#include "common/queue/run_queue.hpp"

#include <functional>
#include <string>

namespace reprise::worker {

class command;

struct held_run {
    claim_ticket ticket;
    std::int64_t lease_end = 0; // CLOCK_BOOTTIME ms; from when the last acknowledged claim or beat was sent
    bool lost = false;          // somebody else's, or nobody's: write nothing more
    bool hand_back = false;     // draining: stop, and release it
    command* running = nullptr; // the command of the step in hand

    bool stopping() const { return lost || hand_back; }
    void extend(std::int64_t until);
    void stop_command();
};

} // namespace reprise::worker
