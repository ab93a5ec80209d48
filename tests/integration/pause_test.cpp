// What a pause holds, and what becomes of its tickets.
#include "tests/integration/queue_fixture.hpp"

#include <array>

namespace reprise {
namespace {

using Pause = QueueTest;

TEST_F(Pause, WhatIsPausedIsSetAsideThoughNobodyClaims) {
    const auto pause = [&](std::string act) {
        std::vector<std::string> args{"mode:stainless_compatible", "user:test", ""};
        test::run_async(io_, functions_->call(std::move(act), 0, std::move(args)));
    };
    const auto counts = [&] { return std::array{stat("queued"), stat("held"), stat("ghosts")}; };
    using three = std::array<std::int64_t, 3>;
    std::vector<std::string> paused;
    for (int i = 0; i < 3; ++i) {
        auto n = a_start();
        n.mode = "stainless_compatible";
        ASSERT_TRUE(accept(n));
        paused.push_back(n.id);
    }
    const auto free = queued();
    const auto ticket = run(paused[0]).at("ticket");
    sweep();
    EXPECT_EQ(counts(), (three{4, 0, 0}));

    pause("pause");
    sweep();
    EXPECT_EQ(counts(), (three{4, 3, 3}));
    EXPECT_EQ(run(paused[0]).at("where"), "held");
    EXPECT_EQ(run(free).at("where"), "stream");
    sweep();
    EXPECT_EQ(counts(), (three{4, 3, 3}));

    pause("resume"); // nobody has read their tickets: these count again
    EXPECT_EQ(counts(), (three{4, 0, 0}));
    EXPECT_EQ(run(paused[0]).at("ticket"), ticket);

    pause("pause");
    cancel(paused[2]);
    sweep();
    EXPECT_EQ(counts(), (three{3, 2, 3}));
    const auto taken = claim(4);
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_EQ(taken[0].ticket.run, free);
    EXPECT_EQ(counts(), (three{2, 2, 0})); // tickets that were met while their runs were held are no more

    pause("resume");
    EXPECT_EQ(counts(), (three{2, 0, 0}));
    const auto rest = claim(4);
    ASSERT_EQ(rest.size(), 2u);
    EXPECT_EQ(rest[0].ticket.run, paused[0]);
    EXPECT_EQ(rest[1].ticket.run, paused[1]);
    for (const auto& t : {taken[0], rest[0], rest[1]})
        finish(t.ticket);
    expect_consistent();
}

} // namespace
} // namespace reprise
