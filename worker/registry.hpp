// The worker's entry in the registry: what monitors and the API know of it. Plain keys that expire by themselves.
#pragma once
#include "common/redis/connection.hpp"
#include "common/time.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>

namespace reprise::worker {

struct worker_entry {
    std::string id, state, tools, modes; // state: running, quiet, draining
    std::string runs;                    // `run step` on lines, those that it holds
    unix_ms started = 0;
    std::size_t slots = 0, busy = 0;
};

std::string host_name();

boost::asio::awaitable<void> enroll(redis::connection& c, const worker_entry& w, std::chrono::milliseconds lease);
// What an operator has told the worker to do since it was asked last: quiet, resume, drain, stop; or empty. Throws outage.
boost::asio::awaitable<std::string> take_order(redis::connection& c, std::string id);
boost::asio::awaitable<void> forget_orders(redis::connection& c, std::string id);
boost::asio::awaitable<void> sign_off(redis::connection& c, std::string id);

} // namespace reprise::worker
