// One connection: reads requests within limits and deadlines, leads them through access control to their
// handler, writes the answers, one at a time. Knows HTTP, not runs.
#pragma once
#include "api/http/session_group.hpp"
#include "api/services.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace reprise::api {

boost::asio::awaitable<void> run_session(boost::asio::ip::tcp::socket socket, services& s, session_group& group);

} // namespace reprise::api
