// What this process counts of its requests, and what it shows of the queues. Everything that a request counts is found
// beforehand: counting is an atomic addition or a short lock, with no search and no text.
#pragma once
#include "common/error.hpp"
#include "common/metrics/exposition.hpp"
#include "common/metrics/redis_traffic.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace reprise::api {

struct route;

class request_metrics {
  public:
    using duration = std::chrono::steady_clock::duration;

    request_metrics();
    request_metrics(const request_metrics&) = delete;
    request_metrics& operator=(const request_metrics&) = delete;

    // --- counted, from any thread ---
    // `through`: null if there is no such route. `took`: from a whole head to an answer, of which nothing has been sent.
    void answered(const route* through, unsigned status, duration took);
    void refused(errc code) {
        if (auto* c = refusals_[static_cast<std::size_t>(code)])
            c->Increment();
    }
    void turned_away() { turned_away_->Increment(); }
    void accepted(bool retry) { accepted_[retry ? 1 : 0]->Increment(); }
    void replayed() { replayed_->Increment(); }

    // One look at whether an input is there. What ends by an exception has failed.
    class blob_check {
      public:
        explicit blob_check(request_metrics& m) : of_(m), began_(std::chrono::steady_clock::now()) {}
        ~blob_check();
        blob_check(const blob_check&) = delete;
        blob_check& operator=(const blob_check&) = delete;
        void saw(bool retained) { outcome_ = retained ? 0 : 1; }

      private:
        request_metrics& of_;
        const std::chrono::steady_clock::time_point began_;
        std::size_t outcome_ = 2;
    };

    redis::options observed(redis::options o) const; // of a connection that is to be
    reprise::metrics::exposition& shown() { return shown_; }
    std::string text() const { return shown_.text(); }

  private:
    static constexpr std::size_t classes = 5; // of status: 1xx to 5xx
    struct of_route {
        std::array<prometheus::Counter*, classes> answers{};
        prometheus::Histogram* seconds = nullptr;
    };
    void count_routes();
    void count_refusals();

    reprise::metrics::exposition shown_;
    std::shared_ptr<reprise::metrics::redis_traffic> redis_;
    std::vector<of_route> routes_; // as in all_routes(); then one for what has no route
    std::vector<prometheus::Counter*> refusals_;
    std::array<prometheus::Counter*, 2> accepted_{};
    std::array<prometheus::Counter*, 3> blob_checks_{};
    prometheus::Counter *replayed_ = nullptr, *turned_away_ = nullptr;
    prometheus::Histogram* blob_seconds_ = nullptr;
};

} // namespace reprise::api
