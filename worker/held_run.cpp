#include "worker/held_run.hpp"

#include "worker/command/command.hpp"

namespace reprise::worker {

void held_run::extend(std::int64_t until) {
    lease_end = until;
    if (running)
        running->extend(until);
}

void held_run::stop_command() {
    if (running)
        running->stop();
}

} // namespace reprise::worker
