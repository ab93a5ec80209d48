// The worker's entry in the registry: what monitors and the API know of it. Plain keys that expire by themselves.
#pragma once
#include "common/redis/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>

namespace reprise::worker {

struct worker_entry {
    std::string id, state, tools; // state: running, quiet, draining
    std::size_t slots = 0, busy = 0;
};

std::string host_name();

boost::asio::awaitable<void> enroll(redis::connection& c, const worker_entry& w, std::chrono::milliseconds expires);
boost::asio::awaitable<void> sign_off(redis::connection& c, std::string id);

} // namespace reprise::worker
