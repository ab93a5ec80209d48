// Runs a blocking function on a pool of threads and comes back to the caller's executor with what it returned or
// threw.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

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

} // namespace reprise
