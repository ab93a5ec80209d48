#include "api/sampled_metrics.hpp"

#include <algorithm>

namespace reprise::api {

namespace {

using prometheus::MetricType;
using reprise::metrics::counter;
using reprise::metrics::family;
using reprise::metrics::gauge;

void add_runs(std::vector<prometheus::MetricFamily>& out, const queue_level& q) {
    family runs(MetricType::Gauge, "reprise_runs", "Runs in Redis by status; the same from every API process");
    for (const char* status : {"queued", "running", "blocked", "ready", "complete", "failed", "canceled", "expired"})
        runs.value(static_cast<double>(q.of(status)), {{"status", status}});
    out.push_back(runs.take());
    const double age = q.oldest == 0 ? 0 : static_cast<double>(std::max<unix_ms>(0, wall_clock() - q.oldest)) / 1000;
    out.push_back(gauge("reprise_oldest_queued_seconds", "How long the run that waits longest has been queued", age));
    out.push_back(gauge("reprise_runs_delayed", "Queued runs that wait for a time: a step is tried again later",
                        static_cast<double>(q.delayed)));
    out.push_back(gauge("reprise_runs_held", "Queued runs that a pause holds", static_cast<double>(q.of("held"))));
}

void add_counters(std::vector<prometheus::MetricFamily>& out, const queue_level& q) {
    const auto total = [&](const char* name, const char* help, const char* field) {
        out.push_back(counter(name, help, static_cast<double>(q.of(field))));
    };
    total("reprise_queue_accepted_total", "Runs accepted by all processes, as Redis counts them", "accepted");
    total("reprise_queue_claims_total", "Times that a run was taken by a worker, as Redis counts them", "claims");
    const auto failed = static_cast<double>(q.of("ended_failed")), ended = static_cast<double>(q.of("ended"));
    out.push_back(
        family(MetricType::Counter, "reprise_queue_ended_total", "Runs that have ended, by whether they failed")
            .value(failed, {{"failed", "yes"}})
            .value(ended - failed, {{"failed", "no"}})
            .take());
    total("reprise_recoveries_total", "Runs taken back from workers that had lost their lease, and queued again",
          "recovered");
    total("reprise_dead_letters_total", "Runs that were given up on", "buried");
    out.push_back(family(MetricType::Counter, "reprise_fenced_writes_total",
                         "Writes refused because the worker no longer held the run, by what had happened to it")
                      .value(static_cast<double>(q.of("fenced")), {{"cause", "taken"}})
                      .value(static_cast<double>(q.of("fenced_canceled")), {{"cause", "canceled"}})
                      .take());
}

} // namespace

std::vector<prometheus::MetricFamily> sampled_metrics::Collect() const {
    std::vector<prometheus::MetricFamily> out;
    const auto q = levels_.all();
    if (q.seen != 0) { // a counter that began at 0 after each start would seem to leap
        add_runs(out, q);
        add_counters(out, q);
    }
    out.push_back(gauge("reprise_queue_limit_runs", "Queued runs from which on new ones are refused",
                        static_cast<double>(most_queued_)));
    const auto w = workers_.seen();
    out.push_back(
        family(MetricType::Gauge, "reprise_workers", "Workers by state; lost ones left no word within the last hour")
            .value(static_cast<double>(w.live), {{"state", "running"}})
            .value(static_cast<double>(w.quiet), {{"state", "quiet"}})
            .value(static_cast<double>(w.draining), {{"state", "draining"}})
            .value(static_cast<double>(w.lost), {{"state", "lost"}})
            .take());
    out.push_back(gauge("reprise_fleet_slots", "Slots of all running workers", static_cast<double>(w.slots)));
    out.push_back(gauge("reprise_fleet_busy_slots", "Of these, those that have a run", static_cast<double>(w.busy)));
    out.push_back(
        gauge("reprise_paused", "1 while a pause keeps runs from being started", workers_.any_pause() ? 1 : 0));
    out.push_back(gauge("reprise_redis_up", "1 if the last look at Redis succeeded", q.reached ? 1 : 0));
    out.push_back(gauge("reprise_redis_unsafe", "1 if Redis' settings promise less than REPRISE_DURABILITY asks for",
                        levels_.is_unsafe() ? 1 : 0));
    out.push_back(gauge("reprise_queue_seen_timestamp_seconds",
                        "When the state of the queues was last read from Redis", static_cast<double>(q.seen) / 1000));
    out.push_back(
        gauge("reprise_http_connections", "Connections that are served", static_cast<double>(connections_.load())));
    out.push_back(gauge("reprise_http_connections_limit", "Connections that may be served",
                        static_cast<double>(most_connections_)));
    out.push_back(gauge("reprise_watchers", "Requests that wait for a run to change",
                        static_cast<double>(watched_.watchers())));
    return out;
}

} // namespace reprise::api
