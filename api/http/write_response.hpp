#pragma once
#include "api/http/message.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <string>

namespace reprise::api {

struct response_manner {
    const std::string& request_id;
    bool head; // answer to HEAD: no body, but its length
    bool keep; // the connection goes on
};

// Writes a response, a blob's bytes piece by piece from `disk`. Throws system_error when the peer is gone or too slow (30 s
// for each 256 KiB), and outage when a blob cannot be read.
boost::asio::awaitable<void> write_response(boost::beast::tcp_stream& to, response r, const response_manner& manner,
                                            boost::asio::thread_pool& disk);

} // namespace reprise::api
