// What time alone must bring about, so that it moves on even when no worker runs: the sweep of runs, blobs that nothing retains
// any longer, and function libraries that nobody uses. One of these runs in each API process; all of it may be done by
// many at once.
#pragma once
#include "api/fleet.hpp"
#include "api/queue_levels.hpp"
#include "api/throughput.hpp"
#include "common/blob/blob_store.hpp"
#include "common/queue/run_queue.hpp"
#include "common/settings.hpp"

#include <atomic>

namespace reprise::api {

class upkeep {
  public:
    upkeep(const common_settings& s, run_queue& q, blob_store& blobs, throughput& pace, fleet& workers,
           queue_levels& levels, const std::atomic<bool>& draining)
        : settings_(s),
          queue_(q),
          blobs_(blobs),
          pace_(pace),
          workers_(workers),
          levels_(levels),
          draining_(draining) {}

    boost::asio::awaitable<void> run(); // until the process drains

  private:
    boost::asio::awaitable<void> look_after(unsigned partition);
    boost::asio::awaitable<void> measure(unsigned partition);
    boost::asio::awaitable<void> drop_blobs(unsigned partition, std::string index);
    boost::asio::awaitable<void> drop_strays();
    boost::asio::awaitable<void> drop_blob(unsigned partition, blob_id b);

    const common_settings& settings_;
    run_queue& queue_;
    blob_store& blobs_;
    throughput& pace_;
    fleet& workers_;
    queue_levels& levels_;
    const std::atomic<bool>& draining_;
};

} // namespace reprise::api
