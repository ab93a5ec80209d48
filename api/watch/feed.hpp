// Reads the live feed of every partition, on a thread of its own and only while somebody watches, and hands what happened to
// the watch lists of the serving threads: thousands of watchers cost Redis one reader per process.
#pragma once
#include "api/watch/watch_list.hpp"
#include "common/redis/connection.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace reprise::api {

class feed {
  public:
    feed(redis::options o, unsigned partitions);
    ~feed(); // stops
    feed(const feed&) = delete;
    feed& operator=(const feed&) = delete;

    // Before start(). The list must outlive the feed, and its io_context must run while the feed does.
    void add(watch_list& list) { lists_.push_back(&list); }
    void start();
    void stop(); // joins the thread

    watched_runs& watched() { return watched_; }
    void wanted(); // from any thread: there is a watcher

  private:
    boost::asio::awaitable<void> read_partition(unsigned partition);
    boost::asio::awaitable<std::string> last_id(redis::connection& c, const std::string& stream);
    boost::asio::awaitable<void> sleep_until_wanted();
    boost::asio::awaitable<void> sleep(std::chrono::milliseconds d);
    void tell_all_to_look();

    const redis::options options_;
    const unsigned partitions_;
    watched_runs watched_;
    std::vector<watch_list*> lists_;
    boost::asio::io_context io_{1};
    std::vector<std::unique_ptr<redis::connection>> connections_;
    boost::asio::steady_timer asleep_{io_, std::chrono::steady_clock::time_point::max()}; // ends by being cancelled
    std::thread thread_;
};

} // namespace reprise::api
