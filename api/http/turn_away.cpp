#include "api/http/turn_away.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <string_view>

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<void> turn_away(asio::ip::tcp::socket socket) {
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: "
        "close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        "Content-Length: 72\r\n\r\n"
        R"({"error":"overloaded","message":"too many connections; try again later"})";
    boost::system::error_code ignored;
    co_await asio::async_write(socket, asio::buffer(answer), asio::redirect_error(asio::use_awaitable, ignored));
    socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

} // namespace reprise::api
