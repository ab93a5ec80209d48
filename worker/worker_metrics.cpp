#include "worker/worker_metrics.hpp"

#include "common/metrics/process.hpp"
#include "common/time.hpp"
#include "worker/command/boottime.hpp"

#include <algorithm>

namespace reprise::worker {

namespace {

using boundaries = prometheus::Histogram::BucketBoundaries;

constexpr std::size_t most_step_names = 64;
constexpr std::array<const char*, 6> outcome_names{"ready", "complete", "failed", "blocked", "released", "lost"};
constexpr std::array<const char*, 5> end_names{"completed", "failed", "retrying", "blocked", "interrupted"};

const boundaries& of_work() {
    static const boundaries seconds{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800};
    return seconds;
}

prometheus::Counter* counter(prometheus::Registry& r, const char* name, const char* help) {
    return &prometheus::BuildCounter().Name(name).Help(help).Register(r).Add({});
}

prometheus::Gauge* gauge(prometheus::Registry& r, const char* name, const char* help) {
    return &prometheus::BuildGauge().Name(name).Help(help).Register(r).Add({});
}

double seconds_of(worker_metrics::duration d) {
    return std::chrono::duration<double>(d).count();
}

} // namespace

std::string_view name_of(step_end e) {
    return end_names.at(static_cast<std::size_t>(e));
}

worker_metrics::worker_metrics(const std::set<std::string>& step_names, std::size_t slots)
    : redis_(std::make_shared<reprise::metrics::redis_traffic>(shown_)) {
    auto& r = shown_.registry();
    claims_ = counter(r, "reprise_worker_claims_total", "Runs taken");
    fenced_ = counter(r, "reprise_worker_fenced_writes_total",
                      "Writes that Redis refused because the run was no longer this worker's");
    artifact_bytes_ =
        counter(r, "reprise_worker_artifact_bytes_total", "Bytes of artifacts and logs given to the store");
    auto& lost = prometheus::BuildCounter()
                     .Name("reprise_worker_leases_lost_total")
                     .Help("Runs that were found to be no longer this worker's, by what had happened to them")
                     .Register(r);
    lost_ = {&lost.Add({{"cause", "taken"}}), &lost.Add({{"cause", "canceled"}})};
    wait_ = &prometheus::BuildHistogram()
                 .Name("reprise_worker_queue_wait_seconds")
                 .Help("From accept to the first claim, by Redis' clock")
                 .Register(r)
                 .Add({}, boundaries{.005, .01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 1800, 7200});
    gauge(r, "reprise_worker_slots", "Runs that may be worked on at once")->Set(static_cast<double>(slots));
    busy_ = gauge(r, "reprise_worker_busy_slots", "Runs that are held");
    last_beat_ = gauge(r, "reprise_worker_last_beat_timestamp_seconds",
                       "When leases and the registry's entry were last extended; 0: not yet");
    count_runs(r);
    count_steps(r, step_names);
    shown_.add(std::make_shared<reprise::metrics::process>());
}

void worker_metrics::count_runs(prometheus::Registry& r) {
    auto& runs =
        prometheus::BuildCounter()
            .Name("reprise_worker_runs_total")
            .Help("Claims that ended here, by how; a released run goes on later, a lost one elsewhere or nowhere")
            .Register(r);
    auto& seconds = prometheus::BuildHistogram()
                        .Name("reprise_worker_run_duration_seconds")
                        .Help("From a claim to the end of the work on it, by how it ended")
                        .Register(r);
    for (std::size_t o = 0; o < outcomes; ++o) {
        runs_[o] = &runs.Add({{"outcome", outcome_names[o]}});
        run_seconds_[o] = &seconds.Add({{"outcome", outcome_names[o]}}, of_work());
    }
}

void worker_metrics::count_steps(prometheus::Registry& r, const std::set<std::string>& names) {
    auto& seconds = prometheus::BuildHistogram()
                        .Name("reprise_worker_step_duration_seconds")
                        .Help("How long steps took, by how they ended; retrying ones are tried again")
                        .Register(r);
    auto add = [&](const std::string& name) {
        of_step one;
        for (std::size_t e = 0; e < step_ends; ++e)
            one[e] = &seconds.Add({{"step", name}, {"outcome", end_names[e]}}, of_work());
        return one;
    };
    for (const auto& name : names)
        if (steps_.size() < most_step_names)
            steps_.emplace(name, add(name));
    other_steps_ = names.size() > most_step_names ? add("other") : of_step{};
}

void worker_metrics::claimed(const claimed_run& c) {
    claims_->Increment();
    if (c.ticket.epoch != 1)
        return; // not the first claim of the run
    const auto& f = c.run.fields;
    wait_->Observe(static_cast<double>(std::max<std::int64_t>(0, f.number("claimed") - f.number("created"))) / 1000);
}

redis::options worker_metrics::observed(redis::options o) const {
    o.observed_by = redis_;
    return o;
}

void worker_metrics::run_ended(run_outcome o, duration took) {
    runs_[static_cast<std::size_t>(o)]->Increment();
    run_seconds_[static_cast<std::size_t>(o)]->Observe(seconds_of(took));
}

void worker_metrics::step_ended(const std::string& name, step_end e, duration took) {
    const auto found = steps_.find(name);
    const auto& of = found == steps_.end() ? other_steps_ : found->second;
    if (auto* seconds = of[static_cast<std::size_t>(e)])
        seconds->Observe(seconds_of(took));
}

void worker_metrics::beat() {
    beat_at_ = boottime_ms();
    last_beat_->Set(static_cast<double>(wall_clock()) / 1000);
}

std::optional<std::chrono::milliseconds> worker_metrics::since_beat() const {
    if (beat_at_ == 0)
        return std::nullopt;
    return std::chrono::milliseconds(boottime_ms() - beat_at_);
}

} // namespace reprise::worker
