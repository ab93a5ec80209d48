// Runs a blocking function on a pool of threads and comes back to the caller's executor with what it returned or
// threw.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace reprise {

namespace detail {
template <class F>
boost::asio::awaitable<std::invoke_result_t<F&>> run_there(F f) {
    co_return f();
}
} // namespace detail

// `f` is moved into the pool's coroutine: what it captures by reference must outlive the awaiting caller.
template <class F>
boost::asio::awaitable<std::invoke_result_t<F&>> on_pool(boost::asio::thread_pool& pool, F f) {
    co_return co_await boost::asio::co_spawn(pool.get_executor(), detail::run_there<F>(std::move(f)),
                                             boost::asio::use_awaitable);
}

// The same for so long at most; then nothing, and what `f` comes to is dropped. `f` owns all that it captures: it may go on
// after the caller has been told.
template <class F>
boost::asio::awaitable<std::optional<std::invoke_result_t<F&>>> on_pool_within(boost::asio::thread_pool& pool,
                                                                               std::chrono::milliseconds limit, F f) {
    using value = std::invoke_result_t<F&>;
    struct outcome {
        explicit outcome(const boost::asio::any_io_executor& ex) : ready(ex) {}
        boost::asio::steady_timer ready;
        std::optional<value> got;
        std::exception_ptr failed;
    };
    const boost::asio::any_io_executor here = co_await boost::asio::this_coro::executor;
    const auto o = std::make_shared<outcome>(here);
    o->ready.expires_after(limit);
    boost::asio::post(pool, [o, here, work = std::optional<F>(std::move(f))]() mutable {
        std::optional<value> got;
        std::exception_ptr failed;
        try {
            got.emplace((*work)());
        } catch (...) {
            failed = std::current_exception();
        }
        work.reset(); // what it holds (a lock), it holds no longer when the caller goes on
        boost::asio::post(here, [o, got = std::move(got), failed]() mutable {
            o->got = std::move(got);
            o->failed = failed;
            o->ready.cancel();
        });
    });
    boost::system::error_code ignored;
    co_await o->ready.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    if (o->failed)
        std::rethrow_exception(o->failed);
    co_return std::move(o->got);
}

} // namespace reprise
