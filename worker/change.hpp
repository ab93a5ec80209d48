// Where loops wait for something to happen to what the worker holds. One thread.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <list>

namespace reprise::worker {

class change {
  public:
    explicit change(boost::asio::io_context& io) : io_(io) {}

    // Until tell(), or (so that nothing hangs on one that was missed) 100 ms. Each who waits has a timer of his own.
    boost::asio::awaitable<void> wait() {
        boost::system::error_code ignored;
        boost::asio::steady_timer timer(io_, std::chrono::milliseconds(100));
        const auto place = waiting_.insert(waiting_.end(), &timer);
        co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
        waiting_.erase(place);
    }

    void tell() {
        for (auto* timer : waiting_)
            timer->cancel();
    }

  private:
    boost::asio::io_context& io_;
    std::list<boost::asio::steady_timer*> waiting_;
};

} // namespace reprise::worker
