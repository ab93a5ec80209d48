#include "tests/integration/interleavings/actors.hpp"

namespace reprise::interleavings {

void pauser::act() {
    if (is_waiting())
        return;
    const auto& paused = w_.m.seen().paused;
    if (!paused.empty() && w_.chance.percent(45))
        issue(resume(std::string(paused[w_.chance.below(paused.size())].first), name_));
    else if (w_.chance.percent(5)) // what may not be paused, and may hold runs all the same
        issue(resume(choose(), name_));
    else if (w_.chance.percent(45))
        issue(pause(w_.chance.percent(4) ? "project:none" : choose(), name_, w_.chance.percent(50) ? "a fault" : ""));
}

// Mostly what does not hold up all others.
std::string pauser::choose() {
    const auto& all = w_.m.pausable();
    return all[w_.chance.percent(15) ? 0 : 1 + w_.chance.below(all.size() - 1)];
}

} // namespace reprise::interleavings
