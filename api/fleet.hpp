// The workers that are alive, counted from their registry in Redis once a second and process by the upkeep, so that no request
// waits for it. Read by every serving thread.
#pragma once
#include "common/redis/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <cstdint>

namespace reprise::api {

struct fleet_facts {
    std::int64_t live = 0, slots = 0, busy = 0;
};

class fleet {
  public:
    // Throws outage; then what was seen last stands.
    boost::asio::awaitable<void> count(redis::connection& c);
    fleet_facts seen() const { return {live_, slots_, busy_}; }

  private:
    std::atomic<std::int64_t> live_ = 0, slots_ = 0, busy_ = 0;
};

} // namespace reprise::api
