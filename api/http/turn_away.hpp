#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace reprise::api {

// A word to the client whom there is no room for; bounded by the size of the answer, which the socket's buffer takes.
boost::asio::awaitable<void> turn_away(boost::asio::ip::tcp::socket socket);

} // namespace reprise::api
