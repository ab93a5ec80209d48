// What workers do with runs, and what they may no longer do.
#include "tests/integration/queue_fixture.hpp"

#include <set>

namespace reprise {
namespace {

using Work = QueueTest;

TEST_F(Work, ClaimingTakesEachRunOnce) {
    std::set<std::string> ids;
    for (int i = 0; i < 5; ++i)
        ids.insert(queued());
    const auto first = claim(3), second = claim(10);
    EXPECT_EQ(first.size(), 3u);
    EXPECT_EQ(second.size(), 2u);
    for (const auto* batch : {&first, &second})
        for (const auto& c : *batch)
            EXPECT_EQ(ids.erase(c.ticket.run), 1u);
    EXPECT_TRUE(ids.empty());
    EXPECT_TRUE(claim().empty());
    expect_consistent();
}

TEST_F(Work, AClaimWhoseReplyWasLostFindsItsRunsAgain) {
    queued();
    const auto first = claim(1, "token");
    const auto again = claim(1, "token", true);
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].ticket.run, first[0].ticket.run);
    EXPECT_EQ(again[0].ticket.epoch, first[0].ticket.epoch);
    EXPECT_TRUE(claim(1, "another", true).empty());
}

TEST_F(Work, AClaimWhoseReplyIsLostIsNotMadeTwice) {
    queued();
    queued();
    redis::options hasty;
    hasty.where = server_->address();
    hasty.name = "hasty";
    hasty.reply_timeout = std::chrono::milliseconds(300);
    redis::connection c(io_.get_executor(), hasty);
    functions f(c, 1);
    run_queue q(f, limits_);
    test::run_async(io_, q.ready(0)); // connected

    server_->freeze(true);
    EXPECT_THROW(test::run_async(io_, q.claim(0, "w1", "token", 1, false)), redis::unavailable);
    server_->freeze(false);
    EXPECT_LE(stat("running"), 1); // the socket may have closed before Redis read it
    const auto again = claim(1, "token", true);
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(stat("running"), 1);
    EXPECT_EQ(again[0].ticket.token, "token");
    expect_consistent();
}

TEST_F(Work, ARepeatedClaimRenewsItsLeases) {
    const auto id_ = queued();
    claim(1, "token");
    ask("ZADD", key("leases"), "5", id_);
    claim(1, "token", true);
    EXPECT_GT(ask("ZSCORE", key("leases"), id_).number(), 5);
}

TEST_F(Work, AWorkerThatLeavesTakesItsConsumersWithItUnlessTheyHoldRuns) {
    const auto t = running();
    const auto consumers = [&] {
        return ask("XINFO", "CONSUMERS", keys::queue(0, keys::default_stream), keys::group).size();
    };
    test::run_async(io_, queue_->leave(0, "w1"));
    EXPECT_EQ(consumers(), 1u);
    finish(t);
    test::run_async(io_, queue_->leave(0, "w1"));
    EXPECT_EQ(consumers(), 0u);
}

TEST_F(Work, RecoveredRunsAreTakenBeforeNewOnes) {
    const auto t = running();
    queued();
    release(t);
    EXPECT_EQ(claim().at(0).ticket.run, t.run);
}

TEST_F(Work, StepsAreRecordedOnceHoweverOftenTheyAreSent) {
    const auto t = running();
    EXPECT_EQ(step(t, 0, "running"), write_outcome::done);
    const auto seq = run(t.run).at("seq");
    EXPECT_EQ(step(t, 0, "running"), write_outcome::done);
    EXPECT_EQ(run(t.run).at("seq"), seq);
    EXPECT_EQ(step(t, 0, "completed"), write_outcome::done);
    const auto r = run(t.run);
    EXPECT_EQ(r.at("plan"), "a 01234567");
    EXPECT_EQ(r.at("current"), "now");
    const auto recorded = record_of(t.run).step(0);
    ASSERT_TRUE(recorded);
    EXPECT_EQ(recorded->facts, R"({"name":"a","status":"completed","attempt":1})");
    EXPECT_GE(recorded->ended, recorded->started);
    EXPECT_EQ(recorded->ended_as, recorded->began_as + 1);
}

TEST_F(Work, ABeginningOfAStepThatComesAfterItsEndIsPassedOver) {
    const auto t = running();
    step(t, 0, "running");
    step(t, 0, "interrupted");
    const auto before = run(t.run);
    EXPECT_EQ(step(t, 0, "running"), write_outcome::done);
    EXPECT_EQ(run(t.run), before);
    release(t);
    const auto next = claim().at(0).ticket; // who may well begin it again
    step(next, 0, "running");
    EXPECT_NE(run(t.run).at("steps"), before.at("steps"));
    EXPECT_NE(run(t.run).at("trail").find(" step.interrupted a\n"), std::string::npos); // what the line told is kept
}

TEST_F(Work, AnEndThatIsToldAloneBeganInTheClaimThatTellsIt) {
    const auto t = running();
    step(t, 0, "running");
    step(t, 1, "running");
    step(t, 1, "failed");
    // That the first claim began both was long ago: times cannot be told apart otherwise.
    auto steps = run(t.run).at("steps");
    for (auto line = steps.find('\n'); line != std::string::npos; line = steps.find('\n', line + 1)) {
        const auto at = steps.find(' ', steps.find(' ', line) + 1) + 1; // behind the index and the event's number
        steps.replace(at, steps.find(' ', at) - at, "-9000");
    }
    ask("HSET", keys::run(0, t.run), "steps", steps);
    release(t);
    const auto next = claim().at(0).ticket;
    for (const std::size_t index : {0, 1}) {
        step(next, index, "completed");
        const auto recorded = record_of(t.run).step(index);
        ASSERT_TRUE(recorded);
        EXPECT_EQ(recorded->began_as, 0);
        EXPECT_EQ(recorded->started, recorded->ended);
    }
    const auto trail = run(t.run).at("trail"); // what the first claim told is kept
    for (const auto* told : {" -9000 step.running a\n", " step.failed a\n"})
        EXPECT_NE(trail.find(told), std::string::npos) << trail;
}

TEST_F(Work, AnEndThatIsToldAloneIsRecordedOnceHoweverOftenItIsSent) {
    const auto t = running();
    EXPECT_EQ(step(t, 0, "completed"), write_outcome::done);
    const auto before = run(t.run);
    EXPECT_EQ(before.at("seq"), "3"); // queued, running, completed
    EXPECT_EQ(step(t, 0, "completed"), write_outcome::done);
    EXPECT_EQ(run(t.run), before);
    EXPECT_EQ(step(t, 0, "running"), write_outcome::done); // comes late
    EXPECT_EQ(run(t.run), before);
}

TEST_F(Work, EndsThatAreToldAloneGoWithWhateverIsWrittenNext) {
    std::vector<step_change> ends(2);
    for (std::size_t i = 0; i < ends.size(); ++i) {
        ends[i].index = i;
        ends[i].ended = true;
        ends[i].status = "completed";
        ends[i].facts = i == 0 ? "1 a" : "1 b";
    }
    const auto told_of_both = [&](const std::string& id, std::string_view seq) {
        const auto steps = record_of(id).steps();
        ASSERT_EQ(steps.size(), 2u);
        for (const auto& s : steps) {
            EXPECT_EQ(s.began_as, 0);
            EXPECT_NE(s.ended_as, 0);
        }
        EXPECT_EQ(run(id).at("seq"), seq);
    };
    const auto twice = [&](const auto& write) { // as after a lost answer
        EXPECT_EQ(test::run_async(io_, write()), write_outcome::done);
        EXPECT_EQ(test::run_async(io_, write()), write_outcome::done);
    };
    const auto released = running();
    twice([&] { return queue_->release(released, {}, "handed back", ends); });
    told_of_both(released.run, "5"); // queued, running, both, queued
    const auto blocked = claim().at(0).ticket;
    ends[0].facts = "2 a";
    ends[1].facts = "2 b";
    twice([&] { return queue_->block(blocked, "tool", ends); });
    told_of_both(blocked.run, "9"); // running, both again, blocked
    const auto finished = running();
    twice([&] { return queue_->finish(finished, run_status::ready, "ready", "", "", "", "", ends); });
    told_of_both(finished.run, "5");
    expect_consistent();
}

TEST_F(Work, FinishingEndsARunEverywhereAtOnce) {
    const auto t = running();
    EXPECT_EQ(finish(t), write_outcome::done);
    EXPECT_EQ(run(t.run).at("status"), "ready");
    EXPECT_EQ(stat("ready"), 1);
    EXPECT_EQ(stat("running"), 0);
    EXPECT_GT(ask("ZSCORE", keys::retained(0), "acme/" + sha256_hex("document")).number(),
              wall_clock() + std::chrono::milliseconds(limits_.retention).count() - 60'000);
    expect_consistent();
}

TEST_F(Work, FinishingAgainAfterALostReplyChangesNothing) {
    const auto t = running();
    finish(t);
    const auto before = run(t.run);
    EXPECT_EQ(finish(t), write_outcome::done);
    EXPECT_EQ(run(t.run), before);
    EXPECT_EQ(stat("ready"), 1);
    EXPECT_EQ(finish(t, run_status::failed), write_outcome::stale); // another ending is another matter
}

TEST_F(Work, ReleasingAndBlockingCanBeRepeated) {
    const auto released = running();
    EXPECT_EQ(release(released), write_outcome::done);
    EXPECT_EQ(release(released), write_outcome::done);
    EXPECT_EQ(stat("queued"), 1);
    const auto blocked = claim().at(0).ticket;
    EXPECT_EQ(block(blocked, "tool"), write_outcome::done);
    EXPECT_EQ(block(blocked, "tool"), write_outcome::done);
    EXPECT_EQ(stat("blocked"), 1);
    expect_consistent();
}

TEST_F(Work, AZombieWritesNothing) {
    const auto zombie = running();
    make_due("leases", zombie.run);
    sweep();
    const auto owner = claim().at(0).ticket;
    ASSERT_EQ(owner.run, zombie.run);
    EXPECT_GT(owner.epoch, zombie.epoch);
    const auto before = run(zombie.run);
    EXPECT_EQ(step(zombie, 0, "completed"), write_outcome::stale);
    EXPECT_EQ(finish(zombie), write_outcome::stale);
    EXPECT_EQ(release(zombie), write_outcome::stale);
    EXPECT_EQ(block(zombie, "tool"), write_outcome::stale);
    EXPECT_EQ(run(zombie.run), before);
    EXPECT_EQ(stat("fenced"), 4);
    EXPECT_EQ(ask("XLEN", key("fenced")).number(), 4);
    EXPECT_EQ(finish(owner), write_outcome::done);
    expect_consistent();
}

TEST_F(Work, TheRightEpochWithTheWrongTokenIsStaleToo) {
    auto t = running();
    t.token = "guessed";
    EXPECT_EQ(finish(t), write_outcome::stale);
}

TEST_F(Work, ARefusalBecauseOfACancelIsCountedAsSuch) {
    const auto t = running();
    EXPECT_TRUE(cancel(t.run));
    EXPECT_EQ(finish(t), write_outcome::stale);
    EXPECT_EQ(stat("fenced_canceled"), 1);
    EXPECT_EQ(stat("fenced"), 0);
    EXPECT_EQ(run(t.run).at("status"), "canceled");
    expect_consistent();
}

TEST_F(Work, BeatsExtendOnlyWhatIsHeld) {
    const auto mine = running();
    auto stale = mine;
    stale.epoch += 1;
    ask("ZADD", key("leases"), "XX", "5", mine.run);
    const auto lost = test::run_async(io_, queue_->beat(0, "w1", {mine}));
    EXPECT_TRUE(lost.empty());
    EXPECT_GT(ask("ZSCORE", key("leases"), mine.run).number(), wall_clock());
    EXPECT_EQ(test::run_async(io_, queue_->beat(0, "w1", {stale})).size(), 1u);
    EXPECT_TRUE(test::run_async(io_, queue_->check(0, {mine})).empty());
    cancel(mine.run);
    EXPECT_EQ(test::run_async(io_, queue_->check(0, {mine})).at(0).status, "canceled");
}

TEST_F(Work, TheGhostOfACanceledRunIsPassedOver) {
    cancel(queued());
    EXPECT_EQ(stat("ghosts"), 1);
    const auto alive = queued();
    EXPECT_EQ(claim().at(0).ticket.run, alive);
    EXPECT_EQ(stat("ghosts"), 0);
    expect_consistent();
}

TEST_F(Work, TicketsMadeByHandHarmNobody) {
    const auto stream = keys::queue(0, keys::default_stream);
    ask("XADD", stream, "*", "run", "no such run", "epoch", "0");
    ask("XADD", stream, "*", "what", "ever");
    ask("XADD", stream, "*", "run", queued(), "epoch", "7");
    EXPECT_EQ(claim(5).size(), 1u);
    EXPECT_EQ(pending(), 1);
    expect_consistent();
}

TEST_F(Work, FlushedFunctionsAreLoadedAgain) {
    ask("FUNCTION", "FLUSH");
    const auto id_ = queued();
    EXPECT_EQ(claim().at(0).ticket.run, id_);
}

TEST_F(Work, ABrokenRecordIsNotTakenAndKeepsNoOtherFromBeingTaken) {
    const auto first = queued(), broken = queued(), last = queued();
    ask("HDEL", keys::run(0, broken), "project");
    const auto taken = claim(3);
    ASSERT_EQ(taken.size(), 2u);
    for (const auto& c : taken) {
        EXPECT_NE(c.run.id, broken);
        EXPECT_FALSE(ask("ZSCORE", key("leases"), c.run.id).is_nil());
        EXPECT_TRUE(ask("ZSCORE", key("queued"), c.run.id).is_nil());
    }
    EXPECT_EQ(stat("running"), 2);
}

// Writes of one turn are one call; what is wrong with one of them is not the others'.
TEST_F(Work, ABrokenRecordDoesNotLeaveOthersHalfEnded) {
    const auto good = running(), broken = running();
    ask("HDEL", keys::run(0, broken.run), "project");
    int missing = 2;
    bool refused = false;
    std::optional<write_outcome> ended;
    const std::vector<step_change> nothing;
    boost::asio::co_spawn(io_, queue_->finish(good, run_status::ready, "ready", "", "", "", "", nothing),
                          [&](std::exception_ptr failed, write_outcome o) {
                              if (!failed)
                                  ended = o;
                              --missing;
                          });
    boost::asio::co_spawn(io_, queue_->finish(broken, run_status::ready, "ready", "", "", "", "", nothing),
                          [&](std::exception_ptr failed, write_outcome) {
                              refused = failed != nullptr;
                              --missing;
                          });
    io_.restart();
    while (missing > 0)
        io_.run_one();
    EXPECT_TRUE(refused);
    EXPECT_EQ(ended, write_outcome::done);
    EXPECT_FALSE(ask("ZSCORE", key("ended"), good.run).is_nil());
    EXPECT_TRUE(ask("ZSCORE", key("leases"), good.run).is_nil());
    EXPECT_EQ(stat("ready"), 1);
    EXPECT_EQ(stat("running"), 1);
    EXPECT_EQ(pending(), 1);
}

TEST_F(Work, AnotherSchemaIsRefused) {
    ask("HSET", key("stats"), "schema", "99");
    EXPECT_THROW(test::run_async(io_, functions_->install()), std::runtime_error);
    ask("HSET", key("org:acme"), "schema", "99");
    EXPECT_EQ(refusal(a_start()), errc::schema_mismatch);
}

} // namespace
} // namespace reprise
