// Wakes one who waits; a call that comes before the wait is not lost. Used on one thread.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace reprise::api {

class wake_up {
  public:
    explicit wake_up(const boost::asio::any_io_executor& ex) : timer_(ex) {}

    void call() {
        called_ = true;
        timer_.cancel();
    }
    // Until call(), or `until`.
    boost::asio::awaitable<void> wait(std::chrono::steady_clock::time_point until) {
        if (!called_) {
            boost::system::error_code ignored;
            timer_.expires_at(until);
            co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
        }
        called_ = false;
    }

  private:
    boost::asio::steady_timer timer_;
    bool called_ = false;
};

} // namespace reprise::api
