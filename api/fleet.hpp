// The workers that are alive and the pauses in force, read from Redis once a second and process by the upkeep, so that no request
// waits for them. Read by every serving thread.
#pragma once
#include "common/redis/connection.hpp"
#include "common/time.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::api {

struct fleet_facts {
    std::int64_t live = 0, slots = 0, busy = 0; // of those that claim
    std::int64_t quiet = 0, draining = 0, lost = 0;
};

// A worker as the registry has it. One without a sign of life for a lease is `lost`: only its id and the time are known.
struct worker_facts {
    std::string id, host, version, state; // running, quiet, draining, lost
    std::string modes, tools;             // separated by spaces
    std::string runs;                     // `run step` on lines
    std::string order;                    // what it was told and has not done yet; see add_orders
    std::int64_t pid = 0, slots = 0, busy = 0;
    unix_ms started = 0, beat = 0;
};

// The registry now, by id; those lost within the last hour too. Bounded: 1000 workers. Throws outage.
boost::asio::awaitable<std::vector<worker_facts>> read_workers(redis::connection& c);
boost::asio::awaitable<void> add_orders(std::vector<worker_facts>& workers, redis::connection& c);

// What keeps runs from being started: `all`, `mode:<mode>` or `project:<id>`.
struct pause_facts {
    std::string what, by, reason;
    unix_ms since = 0;
};

// Of all partitions, each thing once. Throws outage.
boost::asio::awaitable<std::vector<pause_facts>> read_pauses(redis::connection& c, unsigned partitions);

class fleet {
  public:
    // Throws outage; then what was seen last stands.
    boost::asio::awaitable<void> count(redis::connection& c, unsigned partitions);
    fleet_facts seen() const { return {live_, slots_, busy_, quiet_, draining_, lost_}; }
    std::string text() const; // `live slots busy`
    bool is_paused(std::string_view mode, std::string_view project) const;
    bool any_pause() const { return any_pause_; }

  private:
    std::atomic<std::int64_t> live_ = 0, slots_ = 0, busy_ = 0, quiet_ = 0, draining_ = 0, lost_ = 0;
    std::atomic<bool> any_pause_ = false;
    mutable std::mutex lock_;
    std::vector<std::string> paused_;
};

} // namespace reprise::api
