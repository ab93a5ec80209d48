#include "api/admin_thread.hpp"

#include "api/handlers/handlers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise::api {
namespace asio = boost::asio;

void admin_thread::start(const asio::ip::tcp::endpoint& where) {
    admin::listener::start(io_.get_executor(), where, *this); // which keeps the context busy until it is stopped
    thread_ = std::thread([this] { io_.run(); });
}

void admin_thread::ask(services& s, asio::any_io_executor ex) {
    serving_on_ = std::move(ex);
    serving_ = &s;
}

void admin_thread::stop() {
    io_.stop();
    if (thread_.joinable())
        thread_.join();
}

asio::awaitable<std::string> admin_thread::why_not_ready() {
    if (draining_)
        co_return "draining";
    auto* const s = serving_.load();
    if (!s)
        co_return "waiting for Redis and the blob store";
    try {
        co_return co_await asio::co_spawn(serving_on_, reprise::api::why_not_ready(*s), asio::use_awaitable);
    } catch (const std::exception& e) {
        co_return e.what();
    }
}

} // namespace reprise::api
