#include "api/queue_levels.hpp"

#include <algorithm>

namespace reprise::api {

std::int64_t queue_level::of(std::string_view field) const {
    const auto found = stats.find(field);
    return found == stats.end() ? 0 : found->second;
}

void queue_levels::note(unsigned partition, queue_level l) {
    const std::lock_guard held(lock_);
    of_.at(partition) = std::move(l);
}

void queue_levels::not_reached(unsigned partition) {
    const std::lock_guard held(lock_);
    of_.at(partition).reached = false; // what was seen last stands
}

queue_level queue_levels::all() const {
    const std::lock_guard held(lock_);
    auto sum = of_.front();
    for (std::size_t p = 1; p < of_.size(); ++p) {
        const auto& l = of_[p];
        for (const auto& [name, n] : l.stats)
            sum.stats[name] += n;
        sum.delayed += l.delayed;
        if (sum.oldest == 0 || (l.oldest != 0 && l.oldest < sum.oldest))
            sum.oldest = l.oldest;
        sum.seen = std::min(sum.seen, l.seen);
        sum.reached = sum.reached && l.reached;
    }
    return sum;
}

} // namespace reprise::api
