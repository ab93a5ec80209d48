// Runs a coroutine to its end on an io_context of the test's, and fails instead of hanging.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

namespace reprise::test {

template <class T>
T run_async(boost::asio::io_context& io, boost::asio::awaitable<T> op,
            std::chrono::seconds limit = std::chrono::seconds(10)) {
    std::optional<T> result;
    std::exception_ptr failed;
    boost::asio::co_spawn(io, std::move(op), [&](std::exception_ptr e, T value) {
        failed = e;
        if (!e)
            result.emplace(std::move(value));
        io.stop();
    });
    io.restart();
    io.run_for(limit);
    if (failed)
        std::rethrow_exception(failed);
    if (!result)
        throw std::runtime_error("the operation did not end in time");
    return std::move(*result);
}

inline void run_async(boost::asio::io_context& io, boost::asio::awaitable<void> op,
                      std::chrono::seconds limit = std::chrono::seconds(10)) {
    std::exception_ptr failed;
    bool done = false;
    boost::asio::co_spawn(io, std::move(op), [&](std::exception_ptr e) {
        failed = e;
        done = true;
        io.stop();
    });
    io.restart();
    io.run_for(limit);
    if (failed)
        std::rethrow_exception(failed);
    if (!done)
        throw std::runtime_error("the operation did not end in time");
}

} // namespace reprise::test
