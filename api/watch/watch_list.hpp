// Who watches which run, on one serving thread. The feed (feed.hpp) tells the list what happened; the list wakes those whom
// it concerns.
#pragma once
#include "api/watch/event.hpp"
#include "api/watch/wake_up.hpp"
#include "api/watch/watched_runs.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace reprise::api {

struct fed_event {
    std::string run;
    run_event what;
    std::string org, project, by, cause; // only while somebody watches everything
};

class watcher;
class onlooker;

class watch_list {
  public:
    // `watched` knows those of the process, of which there should be no more than `most`; `wanted` is called, on this list's
    // thread, when there is a first one.
    // The list must outlive the frames of its watchers, and so the context, which may be constructed after it.
    watch_list(boost::asio::io_context& io, watched_runs& watched, int most, std::function<void()> wanted)
        : io_(io), watched_(watched), most_(most), wanted_(std::move(wanted)) {}

    // From any thread.
    bool has_room() const { return watched_.watchers() < most_; }

    // All on the list's thread:
    void deliver(const std::vector<fed_event>& events);
    void look_again(); // the feed may have missed something: whoever watches must read the run itself
    void close();      // the process ends: wakes all, and nobody waits any more

    boost::asio::any_io_executor executor() const { return io_.get_executor(); }
    std::size_t size() const { return by_run_.size(); }

  private:
    friend class watcher;
    friend class onlooker;
    boost::asio::io_context& io_;
    watched_runs& watched_;
    const int most_;
    std::function<void()> wanted_;
    std::unordered_multimap<std::string_view, watcher*> by_run_; // keys are the watchers' own
    std::vector<onlooker*> onlookers_;
    bool closed_ = false;
};

// One who watches everything that happens to the runs of an organisation, or of all. What comes faster than it is taken is not
// kept but counted.
class onlooker {
  public:
    onlooker(watch_list& list, std::string org); // every_org: of all
    ~onlooker();
    onlooker(const onlooker&) = delete;
    onlooker& operator=(const onlooker&) = delete;

    boost::asio::awaitable<void>
    wait(std::chrono::steady_clock::time_point until); // for something to take, or wake()
    void wake() { signal_.call(); }
    std::vector<fed_event> take() { return std::exchange(told_, {}); }
    std::size_t take_skipped() { return std::exchange(skipped_, 0); }
    bool closed() const { return list_.closed_; }

  private:
    friend class watch_list;
    void tell(const fed_event& e);

    watch_list& list_;
    const std::string org_;
    wake_up signal_;
    std::vector<fed_event> told_;
    std::size_t skipped_ = 0;
};

// One who watches one run, from its construction on: whatever happens afterwards is either told or makes `must_look` true.
class watcher {
  public:
    watcher(watch_list& list, std::string run);
    ~watcher();
    watcher(const watcher&) = delete;
    watcher& operator=(const watcher&) = delete;

    // Until something was told, wake() was called, or `until`.
    boost::asio::awaitable<void> wait(std::chrono::steady_clock::time_point until);
    void wake() { signal_.call(); }

    const std::string& run() const { return run_; }
    std::vector<run_event> take() { return std::exchange(told_, {}); }
    bool must_look = true; // at first; set to false by whoever has looked
    bool closed() const { return list_.closed_; }

  private:
    friend class watch_list;
    void tell(const run_event& e);

    watch_list& list_;
    const std::string run_;
    std::unordered_multimap<std::string_view, watcher*>::iterator place_;
    wake_up signal_;
    std::vector<run_event> told_;
};

} // namespace reprise::api
