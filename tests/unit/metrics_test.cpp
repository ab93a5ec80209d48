#include "api/queue_levels.hpp"
#include "api/request_metrics.hpp"
#include "api/routes.hpp"
#include "common/metrics/process.hpp"
#include "worker/worker_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace reprise {
namespace {

bool says(const std::string& text, const std::string& line) {
    return text.find("\n" + line + "\n") != std::string::npos;
}

std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

const api::route* retry_route() {
    for (const auto& r : api::all_routes())
        if (r.path == "/api/runs/{runId}/retry" && r.method == boost::beast::http::verb::post)
            return &r;
    return nullptr;
}

TEST(RequestMetrics, AnAnswerIsCountedByItsRouteAndTheClassOfItsStatus) {
    api::request_metrics m;
    const auto before = lines(m.text());
    m.answered(retry_route(), 202, std::chrono::milliseconds(3));
    m.answered(retry_route(), 422, std::chrono::milliseconds(3));
    m.answered(nullptr, 404, std::chrono::microseconds(20));
    m.refused(errc::inputs_not_retained);
    m.refused(errc::step_failed); // no answer has it
    const auto text = m.text();
    const std::string route = R"(method="post",route="/api/runs/{runId}/retry")";
    EXPECT_TRUE(says(text, "reprise_http_requests_total{" + route + R"(,status="2xx"} 1)"));
    EXPECT_TRUE(says(text, "reprise_http_requests_total{" + route + R"(,status="4xx"} 1)"));
    EXPECT_TRUE(says(text, R"(reprise_http_requests_total{method="none",route="none",status="4xx"} 1)"));
    EXPECT_TRUE(says(text, "reprise_http_request_duration_seconds_count{" + route + "} 2"));
    EXPECT_TRUE(says(text, R"(reprise_http_refusals_total{code="inputs_not_retained"} 1)"));
    EXPECT_EQ(lines(text), before) << "all series are there from the beginning";
}

TEST(RequestMetrics, ABlobCheckThatEndsByAnExceptionHasFailed) {
    api::request_metrics m;
    try {
        const api::request_metrics::blob_check check(m);
        throw std::runtime_error("the disk does not answer");
    } catch (const std::runtime_error&) {
    }
    {
        api::request_metrics::blob_check check(m);
        check.saw(false);
    }
    const auto text = m.text();
    EXPECT_TRUE(says(text, R"(reprise_blob_checks_total{outcome="failed"} 1)"));
    EXPECT_TRUE(says(text, R"(reprise_blob_checks_total{outcome="missing"} 1)"));
    EXPECT_TRUE(says(text, "reprise_blob_check_duration_seconds_count 2"));
}

TEST(WorkerMetrics, StepsBeyondTheMostShareALabel) {
    std::set<std::string> names;
    for (int i = 100; i < 200; ++i)
        names.insert("step" + std::to_string(i));
    worker::worker_metrics m(names, 2);
    const auto before = lines(m.text());
    for (const auto& name : names)
        m.step_ended(name, worker::step_end::completed, std::chrono::milliseconds(20));
    const auto text = m.text();
    const std::string name = "reprise_worker_step_duration_seconds_count";
    EXPECT_TRUE(says(text, name + R"({outcome="completed",step="step100"} 1)"));
    EXPECT_TRUE(says(text, name + R"({outcome="completed",step="other"} 36)")); // 64 have their own
    EXPECT_EQ(lines(text), before);
}

TEST(WorkerMetrics, OnlyAFirstClaimTellsHowLongARunHasWaited) {
    worker::worker_metrics m({}, 1);
    claimed_run c;
    c.run.fields.set("created", "1000");
    c.run.fields.set("claimed", "1250");
    c.ticket.epoch = 1;
    m.claimed(c);
    c.ticket.epoch = 3;
    m.claimed(c);
    const auto text = m.text();
    EXPECT_TRUE(says(text, "reprise_worker_claims_total 2"));
    EXPECT_TRUE(says(text, "reprise_worker_queue_wait_seconds_count 1"));
    EXPECT_TRUE(says(text, "reprise_worker_queue_wait_seconds_sum 0.25"));
}

TEST(QueueLevels, PartitionsAreSummedAndTheWorstOfThemIsShown) {
    api::queue_levels levels(2);
    EXPECT_EQ(levels.all().seen, 0);
    api::queue_level first, second;
    first.stats = {{"queued", 3}, {"accepted", 10}};
    first.delayed = 1;
    first.oldest = 500;
    first.seen = 2000;
    first.reached = true;
    levels.note(0, first);
    EXPECT_EQ(levels.all().seen, 0) << "the other was never seen";
    EXPECT_FALSE(levels.all().reached);
    second.stats = {{"queued", 4}, {"failed", 2}};
    second.oldest = 400;
    second.seen = 1900;
    second.reached = true;
    levels.note(1, second);
    const auto all = levels.all();
    EXPECT_EQ(all.of("queued"), 7);
    EXPECT_EQ(all.of("accepted"), 10);
    EXPECT_EQ(all.of("failed"), 2);
    EXPECT_EQ(all.of("no such counter"), 0);
    EXPECT_EQ(all.delayed, 1);
    EXPECT_EQ(all.oldest, 400);
    EXPECT_EQ(all.seen, 1900);
    EXPECT_TRUE(all.reached);
    levels.not_reached(0);
    EXPECT_FALSE(levels.all().reached);
    EXPECT_EQ(levels.all().of("queued"), 7) << "what was seen last stands";
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
    metrics::exposition e;
    e.add(std::make_shared<metrics::process>());
    const auto text = e.text();
    EXPECT_NE(text.find("\nreprise_build_info{version=\"" REPRISE_VERSION "\"} 1\n"), std::string::npos);
    for (const char* name : {"process_cpu_seconds_total", "process_start_time_seconds", "process_open_fds",
                             "process_max_fds", "process_resident_memory_bytes"})
        EXPECT_NE(text.find("\n" + std::string(name) + " "), std::string::npos) << name;
}

} // namespace
} // namespace reprise
