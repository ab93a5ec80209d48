// The warden: a small process between the worker and the command of a step. It is the worker's own program under
// another name (`reprise-worker warden ...`), so that it shares nothing with it and outlives a worker that is killed
// or frozen.
//
// It kills the command and everything that came from it, sessions and groups of their own included, when
//   - the control socket (descriptor 3) closes: the worker is gone, or wants it so;
//   - the lease ends, by CLOCK_BOOTTIME, which goes on while a machine sleeps;
//   - the command's own time or memory is used up;
//   - the command has ended and left others behind.
//
// The worker writes `lease <CLOCK_BOOTTIME in ms>\n` on the socket. Before it ends, the warden writes one line:
// `exit <code>`, `signal <number>`, `timeout`, `memory`, `lease`, `closed`, or `failed <errno>` if nothing was
// started.
#pragma once
#include <sys/types.h>

#include <set>

namespace reprise::worker {

inline constexpr int warden_control = 3;

// In the worker, which is a subreaper too: a child of its that is no warden comes from a warden that was killed.
// Kills those; answers whether there were any. To be repeated until there are none: each may leave children of its
// own.
bool kill_strays(const std::set<pid_t>& wardens);

// argv: warden TIMEOUT_MS LEASE_END_MS MEMORY_MIB STDOUT_FILE|- DIRECTORY COMMAND...
int warden_main(int argc, char** argv);

} // namespace reprise::worker
