#include "api/queue_levels.hpp"

#include "common/queue/keys.hpp"
#include "common/queue/records.hpp"

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;

std::int64_t queue_level::of(std::string_view field) const {
    const auto found = stats.find(field);
    return found == stats.end() ? 0 : found->second;
}

std::int64_t queue_level::in_streams() const {
    return std::max<std::int64_t>(0, of("queued") - delayed - of("held"));
}

std::int64_t queue_level::oldest_seconds() const {
    return oldest == 0 ? 0 : std::max<std::int64_t>(0, (wall_clock() - oldest) / 1000);
}

void queue_level::add(const queue_level& more) {
    for (const auto& [name, n] : more.stats)
        stats[name] += n;
    delayed += more.delayed;
    if (oldest == 0 || (more.oldest != 0 && more.oldest < oldest))
        oldest = more.oldest;
    seen = std::min(seen, more.seen);
    reached = reached && more.reached;
}

asio::awaitable<std::vector<queue_level>> read_levels(redis::connection& c, unsigned first, unsigned count) {
    std::vector<redis::command> questions;
    for (unsigned p = first; p < first + count; ++p) {
        questions.push_back(redis::command::of("HGETALL", keys::stats(p)));
        questions.push_back(redis::command::of("ZCARD", keys::prefix(p) + "delayed"));
        questions.push_back(redis::command::of("ZRANGE", keys::prefix(p) + "queued", "0", "0", "WITHSCORES"));
    }
    const auto answers = co_await c.call_all(std::move(questions));
    std::vector<queue_level> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto& l = out[i];
        const auto stats = answers[3 * i].view(), oldest = answers[3 * i + 2].view();
        for (std::size_t n = 0; n + 1 < stats.size(); n += 2)
            l.stats.emplace(stats[n].text(), number_of(stats[n + 1].text()));
        l.delayed = answers[3 * i + 1].number();
        if (oldest.size() == 2)
            l.oldest = number_of(oldest[1].text());
        l.seen = wall_clock();
        l.reached = true;
    }
    co_return out;
}

asio::awaitable<queue_level> read_whole_level(redis::connection& c, unsigned partitions) {
    const auto levels = co_await read_levels(c, 0, partitions);
    auto sum = levels.front();
    for (std::size_t p = 1; p < levels.size(); ++p)
        sum.add(levels[p]);
    co_return sum;
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
    for (std::size_t p = 1; p < of_.size(); ++p)
        sum.add(of_[p]);
    return sum;
}

std::int64_t queue_levels::oldest_seconds(unsigned partition) const {
    const std::lock_guard held(lock_);
    return partition < of_.size() ? of_[partition].oldest_seconds() : 0;
}

} // namespace reprise::api
