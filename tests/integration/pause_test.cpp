// What a pause holds, and what becomes of its tickets.
#include "tests/integration/queue_fixture.hpp"

#include <array>

namespace reprise {
namespace {

constexpr std::string_view compatible = "stainless_compatible";

class Pause : public QueueTest {
  protected:
    void SetUp() override {
        QueueTest::SetUp();
        ask("CONFIG", "SET", "appendonly", "no"); // for speed: some tests need more runs than one call takes up
        limits_.lease = std::chrono::minutes(10);
        queue_ = std::make_unique<run_queue>(*functions_, limits_);
    }

    void pause(std::string what) {
        ASSERT_TRUE(test::run_async(io_, queue_->pause(0, std::move(what), "user:test", "")));
    }
    void resume(std::string what) {
        ASSERT_TRUE(test::run_async(io_, queue_->resume(0, std::move(what), "user:test", "")));
    }

    // One after the other, and in this order by their ids, too.
    std::vector<std::string> queued_in(std::string_view mode, std::size_t n = 1, std::string_view project = "Pets") {
        auto next = a_start();
        next.mode = mode;
        next.project_name = project;
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < n; ++i) {
            next.id =
                make_id(id_kind::run, 0, static_cast<std::uint64_t>(wall_clock()), fmt::format("{:016}", ++made_));
            EXPECT_TRUE(accept(next));
            ids.push_back(next.id);
        }
        return ids;
    }

    std::string where(const std::string& id) { return run(id).at("where"); }
    std::string project_of(const std::string& id) { return "project:" + run(id).at("project"); }
    std::int64_t held_by(const std::string& what) { return ask("ZCARD", key("held:" + what)).number(); }

    using three = std::array<std::int64_t, 3>;
    three counts() { return {stat("queued"), stat("held"), stat("ghosts")}; }

    // All that are claimed now, in order.
    std::vector<std::string> claim_all(std::size_t at_once = 1) {
        std::vector<std::string> ids;
        for (bool any = true; any;) {
            const auto c = test::run_async(io_, queue_->claim(0, "w1", random_base32(8), at_once, false));
            any = c.looked_at_tickets;
            for (const auto& t : c.runs)
                ids.push_back(t.ticket.run);
        }
        return ids;
    }

    // The counters, as the doctor counts again what they say.
    void expect_counted() {
        std::vector<std::string> args{"", "again default", ""};
        const auto found = test::run_async(io_, functions_->call("recount", 0, std::move(args)));
        for (std::size_t i = 2; i < found.size(); ++i)
            ADD_FAILURE() << found[i][0].text() << " says " << found[i][1].text() << " and is " << found[i][2].text();
        expect_consistent();
    }

    int made_ = 0;
    const std::string mode_ = "mode:" + std::string(compatible);
};

TEST_F(Pause, WhatIsPausedIsSetAsideThoughNobodyClaims) {
    const auto paused = queued_in(compatible, 3);
    const auto free = queued();
    const auto ticket = run(paused[0]).at("ticket");
    sweep();
    EXPECT_EQ(counts(), (three{4, 0, 0}));

    pause(mode_);
    sweep();
    EXPECT_EQ(counts(), (three{4, 3, 3}));
    EXPECT_EQ(where(paused[0]), "held");
    EXPECT_EQ(where(free), "stream");
    sweep();
    EXPECT_EQ(counts(), (three{4, 3, 3}));

    resume(mode_); // nobody has read their tickets: these count again
    EXPECT_EQ(counts(), (three{4, 0, 0}));
    EXPECT_EQ(run(paused[0]).at("ticket"), ticket);

    pause(mode_);
    cancel(paused[2]);
    sweep();
    EXPECT_EQ(counts(), (three{3, 2, 3}));
    const auto taken = claim(4);
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_EQ(taken[0].ticket.run, free);
    EXPECT_EQ(counts(), (three{2, 2, 0})); // tickets that were met while their runs were held are no more

    resume(mode_);
    EXPECT_EQ(counts(), (three{2, 0, 0}));
    const auto rest = claim(4);
    ASSERT_EQ(rest.size(), 2u);
    EXPECT_EQ(rest[0].ticket.run, paused[0]);
    EXPECT_EQ(rest[1].ticket.run, paused[1]);
    for (const auto& t : {taken[0], rest[0], rest[1]})
        finish(t.ticket);
    expect_consistent();
}

TEST_F(Pause, WhatIsLetGoInSeveralTurnsIsHeldByAPauseThatCameMeanwhile) {
    const std::size_t many = 2001; // three turns
    const auto paused = queued_in(compatible, many);
    const auto project = project_of(paused[0]);
    pause(project);
    for (int i = 0; i < 5; ++i)
        sweep();
    EXPECT_EQ(counts(), (three{2001, 2001, 2001}));
    // First by its ticket, last by its accept time: somebody has set the clock back. So it is let go last of all, when sweeps
    // are past its ticket.
    ask("ZADD", key("held:" + project), "9000000000000", paused[0]);

    resume(project);
    EXPECT_EQ(counts(), (three{2001, 1001, 1001}));
    pause(mode_);
    sweep();
    EXPECT_EQ(held_by(project), 1);
    EXPECT_EQ(where(paused[0]), "held");
    sweep();
    EXPECT_EQ(held_by(project), 0);
    for (int i = 0; i < 5; ++i)
        sweep();
    EXPECT_EQ(counts(), (three{2001, 2001, 2001}));
    EXPECT_EQ(held_by(mode_), 2001);
    EXPECT_TRUE(claim(1).empty());
    const auto read = 2001 - stat("ghosts");
    EXPECT_GT(read, 0);
    expect_counted();

    resume(mode_);
    EXPECT_EQ(counts(), (three{2001, 1001, 1001}));
    sweep();
    sweep();
    EXPECT_EQ(counts(), (three{2001, 0, 0}));
    EXPECT_EQ(stat("set_aside"), 4002);
    EXPECT_EQ(stat("put_back"), 4002);
    EXPECT_EQ(ask("SCARD", key("holds")).number(), 0);
    expect_counted();
    auto taken = claim_all(256);
    EXPECT_EQ(taken[0], paused[static_cast<std::size_t>(read)]); // the first whose ticket nobody had read
    std::sort(taken.begin(), taken.end());
    auto all = paused;
    std::sort(all.begin(), all.end());
    EXPECT_TRUE(taken == all);
}

TEST_F(Pause, ABacklogIsLookedThroughInSeveralSweepsAndAgainWhenPausesChange) {
    const auto first = queued_in(compatible, 3);
    const auto free = queued_in("flagship", 1000, "Plants");
    const auto last = queued_in(compatible, 3);
    pause(mode_);
    sweep();
    EXPECT_EQ(counts(), (three{1006, 3, 3}));
    sweep();
    EXPECT_EQ(counts(), (three{1006, 3, 3}));
    const auto taken = claim(2); // behind the tickets of the first, which it meets
    ASSERT_EQ(taken.size(), 2u);
    EXPECT_EQ(taken[0].ticket.run, free[0]);
    EXPECT_EQ(counts(), (three{1004, 3, 0}));
    const auto late = queued_in(compatible);
    sweep();
    EXPECT_EQ(counts(), (three{1005, 7, 4}));
    EXPECT_EQ(where(last[2]), "held");
    EXPECT_EQ(where(late[0]), "held");
    expect_counted();

    pause(project_of(free[0])); // whose tickets lie behind
    for (int i = 0; i < 3; ++i)
        sweep();
    EXPECT_EQ(counts(), (three{1005, 1005, 1002}));
    expect_counted();

    resume(mode_);
    EXPECT_EQ(counts(), (three{1005, 998, 998}));
    const auto freed = claim_all(10);
    EXPECT_EQ(freed, (std::vector{last[0], last[1], last[2], late[0], first[0], first[1], first[2]}));
    resume(project_of(free[0]));
    EXPECT_EQ(counts(), (three{998, 0, 0}));
    EXPECT_EQ(claim_all(256), std::vector(free.begin() + 2, free.end()));
    expect_counted();
}

TEST_F(Pause, AClaimReadsSomeOfTheTicketsBetweenASetAsideAndAResume) {
    const auto paused = queued_in(compatible, 2);
    const auto free = queued();
    const auto behind = queued_in(compatible, 2);
    pause(mode_);
    sweep();
    EXPECT_EQ(counts(), (three{5, 4, 4}));
    ASSERT_EQ(claim(1).at(0).ticket.run, free);
    EXPECT_EQ(counts(), (three{4, 4, 2}));
    const auto read = run(paused[0]).at("ticket"), unread = run(behind[0]).at("ticket");

    resume(mode_);
    EXPECT_EQ(counts(), (three{4, 0, 0}));
    EXPECT_NE(run(paused[0]).at("ticket"), read);
    EXPECT_EQ(run(behind[0]).at("ticket"), unread);
    expect_counted();
    EXPECT_EQ(claim_all(), (std::vector{behind[0], behind[1], paused[0], paused[1]}));
    EXPECT_EQ(stat("ghosts"), 0);
}

TEST_F(Pause, AHeldRunThatNobodyLetsGoWaitsTooLong) {
    const auto met = queued_in(compatible);
    pause(mode_);
    EXPECT_TRUE(claim().empty());
    const auto unread = queued_in(compatible);
    sweep();
    EXPECT_EQ(counts(), (three{2, 2, 1}));

    make_due("queued", met[0]);
    make_due("queued", unread[0]);
    sweep();
    EXPECT_EQ(counts(), (three{0, 0, 1})); // one ticket is still to be met
    expect_counted();
    for (const auto& id : {met[0], unread[0]})
        EXPECT_EQ(run(id).at("status"), "expired");
    EXPECT_EQ(held_by(mode_), 0);

    resume(mode_);
    sweep();
    EXPECT_EQ(counts(), (three{0, 0, 1}));
    EXPECT_EQ(stat("put_back"), 0);
    EXPECT_TRUE(claim().empty());
    EXPECT_EQ(counts(), (three{0, 0, 0}));
    expect_counted();
}

TEST_F(Pause, WhatWasHandedBackGoesBackToTheStreamThatIsReadFirst) {
    const auto handed_back = queued_in(compatible, 2);
    for (const auto& t : claim(2))
        release(t.ticket);
    const auto free = queued();
    pause(mode_);
    sweep();
    EXPECT_EQ(counts(), (three{3, 2, 2}));
    const auto ticket = run(handed_back[0]).at("ticket");
    resume(mode_);
    EXPECT_EQ(counts(), (three{3, 0, 0}));
    EXPECT_EQ(run(handed_back[0]).at("stream"), "again");
    EXPECT_EQ(run(handed_back[0]).at("ticket"), ticket);

    pause(mode_);
    ASSERT_EQ(claim().at(0).ticket.run, free); // past both
    EXPECT_EQ(counts(), (three{2, 2, 0}));
    const auto behind = queued();
    resume(mode_);
    EXPECT_EQ(run(handed_back[0]).at("stream"), "again");
    EXPECT_NE(run(handed_back[0]).at("ticket"), ticket);
    EXPECT_EQ(claim_all(), (std::vector{handed_back[0], handed_back[1], behind}));
    expect_counted();
}

} // namespace
} // namespace reprise
