// The real functions in a real Redis, through thousands of random schedules of clients, operators, workers and sweeps,
// with crashes, freezes, duplicates, and calls and answers that come late or never. After every call all that Redis
// holds is looked at.
//
//   REPRISE_SCHEDULES=20000   how many of the fixed seeds are played, and then as many from the clock
//   REPRISE_SEED=17           plays this one alone
#include "tests/integration/interleavings/cancel_race.hpp"
#include "tests/integration/interleavings/schedule.hpp"
#include "tests/integration/interleavings/stage.hpp"
#include "tests/support/redis_server.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

namespace reprise::interleavings {
namespace {

constexpr std::uint64_t first_fixed_seed = 1, fixed_schedules = 3000;

// What the fixed seeds must come to, or their silence says nothing.
constexpr std::array milestones{"accept repeated",
                                "accept replayed",
                                "accept refused idempotency_key_reused",
                                "accept refused inputs_not_retained",
                                "accept refused quota_exceeded",
                                "cancel refused run_not_cancelable",
                                "drop_if_due drop",
                                "drop_if_due keep",
                                "step stale",
                                "finish stale",
                                "release stale",
                                "block stale",
                                "run.blocked",
                                "run.canceled",
                                "run.expired",
                                "lease lost",
                                "lease lost, the third",
                                "claim finds what the lost answer told",
                                "ghost met",
                                "record forgotten",
                                "step repeated",
                                "step told by its end alone",
                                "artifact kept",
                                "pause ok",
                                "pause refused project_not_found",
                                "resume ok",
                                "resume leaves some to sweeps",
                                "set aside by a claim",
                                "set aside by a sweep",
                                "set aside by a sweep, from another pause",
                                "released by a resume",
                                "released by a resume, with its ticket",
                                "released by a sweep",
                                "released by a sweep, with its ticket",
                                "ticket of a held run met",
                                "held run canceled",
                                "held run waited too long"};

std::optional<std::uint64_t> number_in(const char* variable) {
    const char* text = std::getenv(variable);
    return text && *text ? std::optional(std::stoull(text)) : std::nullopt;
}

class Interleavings : public ::testing::Test {
  protected:
    void play_all(std::uint64_t first, std::uint64_t count) {
        stage::programme p;
        p.make = [](std::uint64_t seed, state s) { return std::make_unique<schedule>(seed, std::move(s)); };
        // Some organisations soon have used up what they may start.
        p.quota = [](std::uint64_t seed) { return seed % 4 == 3 ? "2" : ""; };
        const auto failed = stage_.perform(p, first, count);
        if (failed)
            ADD_FAILURE() << "seed " << failed->seed << " (REPRISE_SEED=" << failed->seed
                          << " plays it again): " << failed->why;
    }

    test::redis_server server_;
    wire wire_{server_.address().path};
    stage stage_{wire_};
};

TEST_F(Interleavings, NoScheduleBreaksAPromise) {
    if (const auto seed = number_in("REPRISE_SEED")) {
        play_all(*seed, 1);
        return;
    }
    const auto asked = number_in("REPRISE_SCHEDULES");
    const auto count = asked.value_or(fixed_schedules);
    play_all(first_fixed_seed, count);
    for (const auto* milestone : milestones)
        EXPECT_TRUE(count < fixed_schedules || HasFailure() || stage_.tally().contains(milestone))
            << "no schedule came to: " << milestone;
    if (HasFailure() || !asked)
        return; // the same commit passes or fails each time, unless more is asked for

    const auto from_the_clock =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    std::cout << "seeds from the clock: " << from_the_clock << " and the " << count - 1 << " after it\n";
    play_all(from_the_clock, count);
    for (const auto& [what, times] : stage_.tally())
        std::cout << "  " << what << ": " << times << "\n";
}

TEST_F(Interleavings, ACancelAndAFinishLeaveOneEndingInWhateverOrderTheyCome) {
    const auto orders = all_race_orders();
    ASSERT_EQ(orders.size(), 1260u);
    stage::programme p;
    p.make = [&](std::uint64_t i, state s) {
        const auto end = i % 2 == 0 ? run_status::ready : run_status::failed;
        return std::make_unique<cancel_race>(orders[i], end, std::move(s));
    };
    p.quota = [](std::uint64_t) { return ""; };
    const auto failed = stage_.perform(p, 0, orders.size());
    if (failed)
        ADD_FAILURE() << "order " << failed->seed << ": " << failed->why;
}

} // namespace
} // namespace reprise::interleavings
