#include "common/admin/listener.hpp"

#include "common/json/writer.hpp"
#include "common/log.hpp"
#include "common/metrics/exposition.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <exception>

namespace reprise::admin {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t most_connections = 16; // more wait in the kernel's queue, which is as short
constexpr std::size_t largest_head = 4 << 10;
constexpr auto reading_deadline = std::chrono::seconds(5), writing_deadline = std::chrono::seconds(10);
constexpr auto token = asio::use_awaitable;

using answer = http::response<http::string_body>;

void say(answer& a, http::status status, std::string_view word, std::string_view why = {}) {
    json::writer w;
    w.begin_object().member("status", word).optional("reason", why).end_object();
    a.result(status);
    a.set(http::field::content_type, "application/json");
    a.body() = w.take();
}

asio::awaitable<void> fill(answer& a, const http::request<http::empty_body>& asked, pages& from) {
    const std::string_view target = asked.target();
    const auto path = target.substr(0, target.find('?'));
    if (path != "/metrics" && path != "/livez" && path != "/readyz") {
        say(a, http::status::not_found, "not_found");
    } else if (asked.method() != http::verb::get && asked.method() != http::verb::head) {
        say(a, http::status::method_not_allowed, "method_not_allowed");
        a.set(http::field::allow, "GET, HEAD");
    } else if (path == "/livez") {
        say(a, http::status::ok, "live");
    } else if (path == "/metrics") {
        a.set(http::field::content_type, metrics::content_type);
        a.body() = from.metrics();
    } else if (const auto why = co_await from.why_not_ready(); why.empty()) {
        say(a, http::status::ok, "ready");
    } else {
        say(a, http::status::service_unavailable, "not_ready", why);
    }
}

} // namespace

listener::listener(asio::any_io_executor ex, pages& what) : pages_(what), acceptor_(ex), pause_(ex) {}

std::shared_ptr<listener> listener::start(asio::any_io_executor ex, const tcp::endpoint& where, pages& what) {
    const std::shared_ptr<listener> self(new listener(ex, what));
    self->acceptor_.open(where.protocol());
    self->acceptor_.set_option(tcp::acceptor::reuse_address(true));
    self->acceptor_.bind(where);
    self->acceptor_.listen(most_connections);
    const auto here = self->where();
    log::info("admin_serving", {{"address", here.address().to_string()}, {"port", std::to_string(here.port())}});
    asio::co_spawn(ex, accept(self), [](std::exception_ptr failed) {
        if (failed)
            log::error("admin_ended");
    });
    return self;
}

void listener::close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
}

asio::awaitable<void> listener::accept(std::shared_ptr<listener> self) {
    while (self->acceptor_.is_open()) {
        error_code ec;
        if (self->open_ >= most_connections) {
            self->pause_.expires_at(asio::steady_timer::time_point::max());
            co_await self->pause_.async_wait(asio::redirect_error(token, ec));
            continue;
        }
        auto socket = co_await self->acceptor_.async_accept(asio::redirect_error(token, ec));
        if (!self->acceptor_.is_open())
            co_return;
        if (ec) { // out of descriptors, mostly
            self->pause_.expires_after(std::chrono::milliseconds(100));
            co_await self->pause_.async_wait(asio::redirect_error(token, ec));
            continue;
        }
        ++self->open_;
        asio::co_spawn(self->acceptor_.get_executor(), serve(self, std::move(socket)),
                       [self](std::exception_ptr failed) {
                           --self->open_;
                           self->pause_.cancel();
                           if (failed)
                               log::debug("admin_request_ended"); // the peer went away, or was too slow
                       });
    }
}

asio::awaitable<void> listener::serve(std::shared_ptr<listener> self, tcp::socket socket) {
    boost::beast::tcp_stream stream(std::move(socket));
    boost::beast::flat_buffer buffer(largest_head);
    http::request_parser<http::empty_body> parser;
    parser.header_limit(largest_head);
    stream.expires_after(reading_deadline);
    co_await http::async_read_header(stream, buffer, parser, token);
    stream.expires_never(); // what is asked for has a deadline of its own
    answer a;
    a.version(11);
    co_await fill(a, parser.get(), self->pages_);
    a.set(http::field::cache_control, "no-store");
    a.set("X-Content-Type-Options", "nosniff");
    a.keep_alive(false);
    a.prepare_payload();
    const bool head = parser.get().method() == http::verb::head;
    http::response_serializer<http::string_body> serializer(a);
    serializer.split(head);
    stream.expires_after(writing_deadline);
    if (head)
        co_await http::async_write_header(stream, serializer, token);
    else
        co_await http::async_write(stream, serializer, token);
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

} // namespace reprise::admin
