// The workers that are alive, from their registry in Redis, remembered for a second: accepting a run costs no call
// for it.
#pragma once
#include "common/redis/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>

namespace reprise::api {

struct fleet_facts {
    std::int64_t live = 0, slots = 0, busy = 0;
};

class fleet {
  public:
    explicit fleet(redis::connection& c) : redis_(c) {}
    boost::asio::awaitable<fleet_facts> look(); // never throws outage

  private:
    boost::asio::awaitable<fleet_facts> count();
    redis::connection& redis_;
    fleet_facts seen_;
    bool looked_ = false;
    std::chrono::steady_clock::time_point until_{};
};

} // namespace reprise::api
