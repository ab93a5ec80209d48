// What the worker's admin listener shows. A worker is ready when Redis has taken a beat of it no longer ago than a lease.
#pragma once
#include "common/admin/listener.hpp"
#include "worker/worker_metrics.hpp"

namespace reprise::worker {

class admin_pages : public admin::pages {
  public:
    // `counted` must outlive it.
    admin_pages(const worker_metrics& counted, std::chrono::milliseconds lease) : counted_(counted), lease_(lease) {}

  private:
    std::string metrics() override { return counted_.text(); }
    boost::asio::awaitable<std::string> why_not_ready() override {
        const auto since = counted_.since_beat();
        if (!since)
            co_return "no beat yet";
        if (*since > lease_)
            co_return "no beat for " + std::to_string(since->count()) + " ms";
        co_return "";
    }

    const worker_metrics& counted_;
    const std::chrono::milliseconds lease_;
};

} // namespace reprise::worker
