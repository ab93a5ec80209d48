// What a Redis must be and be set to, so that what it has acknowledged is kept.
#pragma once
#include "common/redis/connection.hpp"

namespace reprise::redis {

// Throws std::runtime_error if the server is older than 7.0: it has no functions.
boost::asio::awaitable<void> require_version(connection& c);

// What is wrong with the settings, or nothing. `durability`: always, everysec (at least), or none: whatever they are.
boost::asio::awaitable<std::string> safety_gap(connection& c, std::string durability);

} // namespace reprise::redis
