#pragma once
#include "api/http/deadline.hpp"
#include "api/http/message.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <string>

namespace reprise::api {

struct response_manner {
    const std::string& request_id;
    bool head; // answer to HEAD: no body, but its length
    bool keep; // the connection goes on
    bool old;  // asked in HTTP/1.0: knows no chunks
};

// Writes a response: a text at once, a blob's bytes piece by piece from `disk`, events as they happen. Throws system_error
// when the peer is gone or too slow (30 s for each 256 KiB, or for each event), and outage when a blob cannot be read.
boost::asio::awaitable<void> write_response(boost::asio::ip::tcp::socket& to, deadline& until, response r,
                                            const response_manner& manner, boost::asio::thread_pool& disk);

} // namespace reprise::api
