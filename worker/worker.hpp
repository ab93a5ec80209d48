#pragma once
#include "worker/settings.hpp"

namespace reprise::worker {

// Works until TERM or INT; then claims nothing new, finishes what ends within the grace, and hands the rest back. A
// second signal hands back at once. TSTP only stops claiming. Exit status 0, or 78 when the deployment is wrong.
int work(const worker_settings& settings);

// Exit status 0 if the named worker (or, without a name, any worker of this host) has given a sign of life.
int check_health(const worker_settings& settings);

} // namespace reprise::worker
