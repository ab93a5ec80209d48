#include "common/redis/connection.hpp"

#include "common/redis/link.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise::redis {
namespace asio = boost::asio;

connection::connection(asio::any_io_executor ex, options o) : link_(std::make_shared<link>(ex, std::move(o))) {
    link_->open();
}

connection::~connection() {
    link_->close();
}

asio::awaitable<reply> connection::call(command c) {
    return call(std::move(c), link_->reply_timeout());
}

asio::awaitable<reply> connection::call(command c, std::chrono::milliseconds within) {
    // The initiation is a plain function object, not a coroutine: nothing of it outlives the statement.
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, reply)>(
        [](auto handler, link& l, const command& cmd, std::chrono::milliseconds limit) {
            l.submit(cmd, limit, std::move(handler));
        },
        asio::use_awaitable, std::ref(*link_), std::move(c), within);
}

asio::awaitable<std::vector<reply>> connection::call_all(std::vector<command> commands) {
    if (commands.empty())
        co_return std::vector<reply>();
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                            void(std::exception_ptr, std::vector<reply>)>(
        [](auto handler, link& l, const std::vector<command>& all) {
            struct gathering {
                explicit gathering(decltype(handler) h, std::size_t n) : done(std::move(h)), replies(n), missing(n) {}
                decltype(handler) done;
                std::vector<reply> replies;
                std::exception_ptr failed;
                std::size_t missing;
            };
            const auto g = std::make_shared<gathering>(std::move(handler), all.size());
            for (std::size_t i = 0; i < all.size(); ++i)
                l.submit(all[i], l.reply_timeout(), [g, i](std::exception_ptr failed, reply r) {
                    g->replies[i] = std::move(r);
                    if (!g->failed)
                        g->failed = failed;
                    if (--g->missing == 0)
                        std::move(g->done)(g->failed, std::move(g->replies));
                });
        },
        asio::use_awaitable, std::ref(*link_), std::move(commands));
}

void connection::close() {
    link_->close();
}

std::chrono::milliseconds connection::reply_timeout() const {
    return link_->reply_timeout();
}

asio::any_io_executor connection::executor() const {
    return link_->executor();
}

std::uint64_t connection::reconnects() const {
    return link_->reconnects();
}

} // namespace reprise::redis
