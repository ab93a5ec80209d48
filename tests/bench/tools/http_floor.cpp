// http_floor: what an answer costs before it says anything: a bare Beast server on one thread, connections kept, which
// reads each request whole and answers what it was given.
#include "tests/bench/tools/commands.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

namespace reprise::bench {
namespace {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using answer = http::response<http::string_body>;

answer read_answer(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    http::response_parser<http::string_body> parser;
    boost::system::error_code ec;
    parser.eager(true);
    parser.put(asio::buffer(bytes), ec);
    if (ec || !parser.is_done())
        throw std::invalid_argument(path + " is not an answer");
    return parser.release();
}

asio::awaitable<void> serve(tcp::socket socket, const answer& what) {
    boost::system::error_code ec;
    socket.set_option(tcp::no_delay(true));
    boost::beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> request;
        co_await http::async_read(socket, buffer, request, asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
        answer mine = what; // made anew for each request, as a server does
        co_await http::async_write(socket, mine, asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
    }
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, const answer& what) {
    for (;;)
        asio::co_spawn(acceptor.get_executor(), serve(co_await acceptor.async_accept(asio::use_awaitable), what),
                       asio::detached);
}

void run(const std::string& path, int seconds) {
    const auto what = read_answer(path);
    asio::io_context io{1};
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(io, accept(acceptor, what), asio::detached);
    asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&](auto, int) { io.stop(); });
    asio::steady_timer end(io, std::chrono::seconds(seconds));
    end.async_wait([&](auto) { io.stop(); });
    std::cout << R"({"event":"serving","port":)" << acceptor.local_endpoint().port() << "}" << std::endl;
    io.run();
}

} // namespace

void add_http_floor(CLI::App& app) {
    auto& c = *app.add_subcommand("http_floor", "serves one answer to every request, until TERM");
    auto path = std::make_shared<std::string>();
    auto seconds = std::make_shared<int>(3600);
    c.add_option("--answer", *path, "file with the answer, as it goes over the wire")->required();
    c.add_option("--seconds", *seconds, "ends by itself after so many");
    c.callback([path, seconds] { run(*path, *seconds); });
}

} // namespace reprise::bench
