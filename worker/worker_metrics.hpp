// What a worker counts of its runs and steps. Everything is found beforehand: the names of steps come from the pipelines, of which
// the first ones get a label of their own.
#pragma once
#include "common/metrics/exposition.hpp"
#include "common/metrics/redis_traffic.hpp"
#include "common/queue/run_queue.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace reprise::worker {

// How the work on a claimed run ended here.
enum class run_outcome { ready, complete, failed, blocked, released, lost };

// As they stand in a run's steps.
enum class step_end { completed, failed, retrying, blocked, interrupted };
std::string_view name_of(step_end e);

class worker_metrics {
  public:
    using duration = std::chrono::steady_clock::duration;

    worker_metrics(const std::set<std::string>& step_names, std::size_t slots);
    worker_metrics(const worker_metrics&) = delete;
    worker_metrics& operator=(const worker_metrics&) = delete;

    void claimed(const claimed_run& c);
    void run_ended(run_outcome o, duration took);
    void step_ended(const std::string& name, step_end e, duration took);
    void fenced() { fenced_->Increment(); }
    void lost(bool canceled) { lost_[canceled ? 1 : 0]->Increment(); }
    void stored(std::uint64_t bytes) { artifact_bytes_->Increment(static_cast<double>(bytes)); }
    void busy(std::size_t slots) { busy_->Set(static_cast<double>(slots)); }
    void beat();

    std::optional<std::chrono::milliseconds> since_beat() const; // nothing before the first

    redis::options observed(redis::options o) const; // of a connection that is to be
    std::string text() const { return shown_.text(); }

  private:
    static constexpr std::size_t outcomes = 6, step_ends = 5;
    using of_step = std::array<prometheus::Histogram*, step_ends>;
    void count_runs(prometheus::Registry& r);
    void count_steps(prometheus::Registry& r, const std::set<std::string>& names);

    reprise::metrics::exposition shown_;
    std::shared_ptr<reprise::metrics::redis_traffic> redis_;
    std::array<prometheus::Counter*, outcomes> runs_{};
    std::array<prometheus::Histogram*, outcomes> run_seconds_{};
    std::map<std::string, of_step, std::less<>> steps_;
    of_step other_steps_{}; // beyond the labels that there may be
    std::array<prometheus::Counter*, 2> lost_{};
    prometheus::Counter *claims_, *fenced_, *artifact_bytes_;
    prometheus::Histogram* wait_;
    prometheus::Gauge *busy_, *last_beat_;
    std::int64_t beat_at_ = 0; // CLOCK_BOOTTIME ms
};

} // namespace reprise::worker
