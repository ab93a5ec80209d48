// What watchers and callers are told: the story of a run, rates, origins, traces.
#include "api/http/cross_origin.hpp"
#include "api/http/rate_limits.hpp"
#include "api/throughput.hpp"
#include "api/watch/event.hpp"
#include "common/run/trace.hpp"

#include <gtest/gtest.h>

namespace reprise::api {
namespace {

run_record told(std::string history, std::string trail, std::string steps) {
    run_record r{"run_1", {}};
    r.fields.append("created", "1000");
    r.fields.append("history", std::move(history));
    r.fields.append("trail", std::move(trail));
    r.fields.append("steps", std::move(steps));
    return r;
}

const std::string history = "1 1000 queued user:a/key:k\n2 2000 running w1\n5 5000 complete w1\n";
const auto as_step = told(history, "", "\n0 3 2000 4 3000 1 completed 1 lint");
const auto as_trail = told(history, "3 2000 step.running lint\n4 3000 step.completed lint\n", "");
constexpr std::int64_t year_2026 = 1'795'000'000'000;

TEST(Event, TheStoryOfARunIsToldInOrderFromWhereItWasLeft) {
    for (const auto& run : {as_step, as_trail}) {
        const auto all = events_after(0, run);
        ASSERT_EQ(all.size(), 5u);
        for (std::size_t i = 0; i < all.size(); ++i) {
            EXPECT_EQ(all[i].seq, static_cast<std::int64_t>(i + 1));
            EXPECT_EQ(all[i].at, static_cast<std::int64_t>((i + 1) * 1000));
            EXPECT_EQ(all[i].is_end(), i == 4);
        }
        EXPECT_EQ(all[1].type, "run.running");
        EXPECT_EQ(all[2].type, "step.running");
        EXPECT_EQ(all[3].type, "step.completed");
        EXPECT_EQ(all[3].step, "lint");
        EXPECT_EQ(events_after(3, run).size(), 2u);
        EXPECT_TRUE(events_after(5, run).empty());
    }
    EXPECT_TRUE(events_after(0, told("", "", "")).empty());
}

TEST(Event, OfAStepThatIsUnderWayIsItsBeginningAlone) {
    const auto all = events_after(
        2, told(history, "", "\n0 3 2000 0 0 1 running 1 lint\n1 0 2500 4 3000 1 failed 2 docs {\"x\":1}"));
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].type, "step.running");
    EXPECT_EQ(all[1].type, "step.failed");
    EXPECT_EQ(all[1].step, "docs");
}

TEST(Event, OfAnEarlierBuildHasItsTimeItself) {
    auto run = told("", "3 " + std::to_string(year_2026) + " step.running lint\n", "");
    run.fields.set("created", std::to_string(year_2026 - 5));
    EXPECT_EQ(events_after(0, run).at(0).at, year_2026);
}

TEST(Record, AStepOfAnEarlierBuildIsReadToo) {
    run_record run{"run_1", {}};
    run.fields.append("s.0", R"({"name":"lint","status":"completed","attempt":2})");
    run.fields.append("t.0", "1000 2000 1");
    run.fields.append("steps", "\n1 3 500 0 0 1 running 1 docs");
    run.fields.append("created", "1000");
    EXPECT_EQ(run.step(0).value().facts, R"({"name":"lint","status":"completed","attempt":2})");
    EXPECT_EQ(run.step(0).value().ended, 2000);
    EXPECT_EQ(run.step(1).value().facts, R"({"name":"docs","status":"running","attempt":1})");
    EXPECT_EQ(run.step(1).value().started, 1500);
    EXPECT_FALSE(run.step(2));
}

TEST(Event, IsTheSameTextWhereverItComesFrom) {
    const auto all = events_after(3, as_step);
    EXPECT_EQ(all[0].text("run_1"),
              "id: 4\nevent: step.completed\ndata: {\"runId\":\"run_1\",\"seq\":4,\"type\":\"step.completed\","
              "\"at\":\"1970-01-01T00:00:04.000Z\",\"step\":\"lint\",\"stepStatus\":\"completed\"}\n\n");
    EXPECT_NE(all[1].text("run_1").find("\"status\":\"complete\""), std::string::npos);
}

TEST(RateLimits, ABucketEmptiesAndFillsAgain) {
    rate_limits rates(50, 3);
    auto now = rate_limits::clock::now();
    for (int left = 2; left >= 0; --left) {
        const auto s = rates.take("key", now);
        EXPECT_TRUE(s.allowed);
        EXPECT_EQ(s.remaining, left);
    }
    const auto refused = rates.take("key", now);
    EXPECT_FALSE(refused.allowed);
    EXPECT_GE(refused.reset_seconds, 1);
    EXPECT_TRUE(rates.take("another", now).allowed);
    now += std::chrono::milliseconds(25); // a token's time, and a little
    EXPECT_TRUE(rates.take("key", now).allowed);
    EXPECT_FALSE(rates.look("key", now).allowed);
}

TEST(RateLimits, WithoutALimitEverythingIsAllowed) {
    rate_limits none(0, 0);
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(none.take("key").allowed);
}

TEST(CrossOrigin, OnlyNamedOriginsAreAllowed) {
    http::fields asked;
    asked.set(http::field::origin, "https://app.example");
    const auto allowed = [&](std::string_view origins) {
        response r;
        cross_origin(origins).allow(asked, r);
        for (const auto& [name, value] : r.headers)
            if (name == "Access-Control-Allow-Origin")
                return value;
        return std::string();
    };
    EXPECT_EQ(allowed(""), "");
    EXPECT_EQ(allowed("https://other.example"), "");
    EXPECT_EQ(allowed("https://other.example, https://app.example"), "https://app.example");
}

TEST(Trace, OnlyAWellFormedTraceparentIsContinued) {
    const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    EXPECT_EQ(continued_trace(good), good);
    for (const std::string bad : {"", "00", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"})
        EXPECT_EQ(continued_trace(bad), "") << bad;
}

TEST(Throughput, TellsHowLongAQueueWillTake) {
    throughput t(1);
    EXPECT_FALSE(t.seconds_for(0, 100));
    unix_ms now = 0;
    std::int64_t taken = 0;
    for (int i = 0; i < 300; ++i) // ten runs a second, for five minutes
        t.note(0, taken += 10, now += 1000);
    ASSERT_TRUE(t.seconds_for(0, 1000));
    EXPECT_NEAR(static_cast<double>(*t.seconds_for(0, 1000)), 100, 2);
    t.note(0, 0, now += 1000); // another Redis: nothing is concluded from it
    EXPECT_NEAR(static_cast<double>(*t.seconds_for(0, 1000)), 100, 2);
    for (int i = 0; i < 600; ++i)
        t.note(0, 0, now += 1000);
    EXPECT_FALSE(t.seconds_for(0, 1000));
}

} // namespace
} // namespace reprise::api
