// The API's admin listener, on a thread of its own: a scrape holds up no request, and probes are answered while the process
// still waits for Redis. Whether it is ready, a serving thread says, by its connection to Redis.
#pragma once
#include "api/request_metrics.hpp"
#include "common/admin/listener.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <thread>

namespace reprise::api {

struct services;

class admin_thread : public admin::pages {
  public:
    // Both must outlive it.
    admin_thread(const request_metrics& counted, const std::atomic<bool>& draining)
        : counted_(counted), draining_(draining) {}
    ~admin_thread() override { stop(); }

    // Throws boost::system::system_error if the address is not to be had.
    void start(const boost::asio::ip::tcp::endpoint& where);
    // From now on `s`, which is used on `ex`, says whether the process is ready.
    void ask(services& s, boost::asio::any_io_executor ex);
    // Before what was passed to ask() goes.
    void stop();

  private:
    std::string metrics() override { return counted_.text(); }
    boost::asio::awaitable<std::string> why_not_ready() override;

    const request_metrics& counted_;
    const std::atomic<bool>& draining_;
    boost::asio::any_io_executor serving_on_;
    std::atomic<services*> serving_ = nullptr; // set after serving_on_
    boost::asio::io_context io_{1};
    std::thread thread_;
};

} // namespace reprise::api
