// What time alone brings about, and every status against every call.
#include "tests/integration/queue_fixture.hpp"

namespace reprise {
namespace {

using Sweep = QueueTest;

TEST_F(Sweep, ThreeLostLeasesMakeAPoisonRun) {
    const auto id_ = queued();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(claim().size(), 1u);
        make_due("leases", id_);
        sweep();
    }
    const auto r = run(id_);
    EXPECT_EQ(r.at("status"), "failed");
    EXPECT_EQ(r.at("error"), "poison_run");
    EXPECT_EQ(ask("XLEN", key("dead")).number(), 1);
    EXPECT_TRUE(claim().empty());
    expect_consistent();
}

TEST_F(Sweep, ALeaseThatEndedWhileRedisWasAwayIsNotHeldAgainstTheRun) {
    const auto id_ = queued();
    claim();
    const auto now = wall_clock();
    sweep();
    ask("HSET", key("swept"), "last", std::to_string(now - 30'000)); // nobody swept for half a minute
    ask("ZADD", key("leases"), std::to_string(now - 10'000), id_);
    sweep();
    EXPECT_EQ(run(id_).at("status"), "queued");
    EXPECT_EQ(run(id_).count("lost"), 0u);

    claim();
    ask("ZADD", key("leases"), std::to_string(now - 29'000),
        id_); // met by a later sweep, for each does a bounded part
    sweep();
    EXPECT_EQ(run(id_).count("lost"), 0u);

    claim();
    ask("ZADD", key("leases"), std::to_string(now - 31'000), id_); // this one ended while Redis was there
    sweep();
    EXPECT_EQ(run(id_).at("lost"), "1");
    expect_consistent();
}

TEST_F(Sweep, ALagThatRedisForgotAtARestartIsSetRightAgain) {
    const auto stream = keys::queue(0, keys::default_stream);
    const auto lag = [&](std::string_view name) {
        const auto groups = ask("XINFO", "GROUPS", keys::queue(0, name));
        for (std::size_t g = 0; g < groups.size(); ++g)
            if (groups[g][1].text() == keys::group)
                return groups[g][11].is_nil() ? -1 : groups[g][11].number();
        return std::int64_t{-2};
    };
    for (int i = 0; i < 5; ++i)
        queued();
    const auto claimed = claim(2);
    cancel(queued());
    release(claimed[0].ticket);
    const std::string at(ask("XINFO", "GROUPS", stream)[1][7].text());
    for (const auto* read : {"", "0"}) {
        if (*read == 0)
            ask("XGROUP", "SETID", stream, keys::group, at);
        else
            ask("XGROUP", "SETID", stream, keys::group, at, "ENTRIESREAD", read);
        EXPECT_NE(lag(keys::default_stream), 4);
        sweep();
        EXPECT_EQ(lag(keys::default_stream), 4); // three are queued, and there is a ghost
        EXPECT_EQ(lag(keys::again_stream), 1);
    }
    EXPECT_EQ(claim(10).size(), 4u);
    EXPECT_EQ(lag(keys::default_stream) + lag(keys::again_stream), 0);
    expect_consistent();
}

TEST_F(Sweep, LibrariesThatNobodyHasUsedForADayGo) {
    const auto own = function_library::embedded().name;
    const std::string other = "#!lua name=reprise_1_other\nredis.register_function('other', function() return 1 end)";
    const auto libraries = [&] { return ask("FUNCTION", "LIST", "LIBRARYNAME", "reprise_*").size(); };
    ask("FUNCTION", "LOAD", "REPLACE", other);
    test::run_async(io_, functions_->drop_unused_libraries());
    EXPECT_EQ(libraries(), 2u); // new to us: it has a day
    test::run_async(io_, functions_->drop_unused_libraries());
    EXPECT_EQ(libraries(), 2u);
    ask("ZADD", keys::libraries, std::to_string(wall_clock() - 86'500'000), "reprise_1_other");
    ask("ZADD", keys::libraries, std::to_string(wall_clock() - 86'500'000), own);
    test::run_async(io_, functions_->drop_unused_libraries());
    EXPECT_EQ(libraries(), 1u);
    EXPECT_TRUE(ask("ZSCORE", keys::libraries, "reprise_1_other").is_nil());
    queued(); // ours is still there
}

TEST_F(Sweep, ADelayedRunComesBackWhenItIsDueAndNotBefore) {
    const auto t = running();
    release(t, std::chrono::hours(1));
    EXPECT_EQ(run(t.run).at("where"), "delayed");
    sweep();
    EXPECT_TRUE(claim().empty());
    make_due("delayed", t.run);
    sweep();
    EXPECT_EQ(claim().at(0).ticket.run, t.run);
    expect_consistent();
}

TEST_F(Sweep, ABlockedRunIsFreedByWhoeverHasTheTool) {
    const auto t = running();
    block(t, "redocly");
    EXPECT_EQ(run(t.run).at("verdict"), "needs_setup");
    sweep("another");
    EXPECT_EQ(run(t.run).at("status"), "blocked");
    sweep("another redocly");
    EXPECT_EQ(claim().at(0).ticket.run, t.run);
    expect_consistent();
}

TEST_F(Sweep, ARunThatWaitsTooLongExpires) {
    const auto waiting = queued();
    const auto t = [&] {
        queued();
        return claim(2);
    }();
    block(t[0].ticket, "tool");
    release(t[1].ticket);
    for (const auto& c : t) {
        make_due("queued", c.ticket.run);
        ask("ZREM", key("queued"), t[0].ticket.run);
        make_due("blocked", t[0].ticket.run);
    }
    sweep();
    for (const auto& c : t)
        EXPECT_EQ(run(c.ticket.run).at("status"), "expired") << run(c.ticket.run).at("history");
    EXPECT_TRUE(claim().empty());
    expect_consistent();
}

TEST_F(Sweep, ARunThatWasWorkedOnIsNotEatenByTheQueueTtl) {
    const auto t = running();
    ask("HSET", keys::run(0, t.run), "created", "1"); // accepted long ago
    make_due("leases", t.run);
    sweep();
    sweep();
    EXPECT_EQ(claim().at(0).ticket.run, t.run);
}

TEST_F(Sweep, TheTimeARunWasBlockedDoesNotCountAgainstItsDeadline) {
    const auto t = running();
    ask("HINCRBY", keys::run(0, t.run), "claimed", "-3000000");
    block(t, "tool");
    sweep("tool");
    EXPECT_GT(claim().at(0).time_left, limits_.run_deadline - std::chrono::minutes(1));
}

TEST_F(Sweep, AnEndedRunExpiresAfterItsRetentionAndIsForgottenAfterNinetyDays) {
    const auto source = running();
    finish(source);
    const auto retry = a_retry_of(source.run);
    accept(retry);
    const auto t = claim().at(0).ticket;
    finish(t);
    sweep();
    EXPECT_EQ(run(t.run).at("status"), "ready");
    make_due("ended", t.run);
    sweep();
    EXPECT_EQ(run(t.run).at("status"), "expired");
    EXPECT_EQ(run(t.run).at("verdict"), "ready"); // verdict, steps and times stay
    EXPECT_EQ(stat("ready"), 1);                  // the source
    EXPECT_EQ(stat("expired"), 1);
    make_due("ended", t.run);
    sweep();
    EXPECT_EQ(run(t.run).at("status"), "expired"); // looked at too early, it stays

    ask("HSET", keys::run(0, t.run), "ended", "1");
    make_due("ended", t.run);
    sweep();
    EXPECT_TRUE(run(t.run).empty());
    EXPECT_EQ(stat("expired"), 0);
    for (const auto& index : {keys::runs(0, "acme"), keys::runs(0, "acme", run(source.run).at("project")),
                              keys::retries(0, source.run), key("ended")})
        EXPECT_TRUE(ask("ZSCORE", index, t.run).is_nil()) << index;
    EXPECT_EQ(run(source.run).at("status"), "ready");
    expect_consistent();
}

TEST_F(Sweep, ADeadRunIsListedWithItsReason) {
    const auto t = running();
    test::run_async(io_,
                    queue_->finish(t, run_status::failed, "failed", "", "step_failed", "lint", "exit 3: why", {}));
    const auto dead = ask("XRANGE", key("dead"), "-", "+");
    ASSERT_EQ(dead.size(), 1u);
    std::string all;
    for (std::size_t i = 0; i < dead[0][1].size(); ++i)
        all += std::string(dead[0][1][i].text()) + " ";
    EXPECT_NE(all.find("run " + t.run + " "), std::string::npos) << all;
    EXPECT_NE(all.find("code step_failed step lint message exit 3: why"), std::string::npos) << all;
}

TEST_F(Sweep, AnOutageOfRedisCostsAStepNoAttemptAndARunAtMostTenExcuses) {
    const auto t = running();
    step(t, 0, "running");
    const auto excuse = [&] {
        const auto now = wall_clock();
        ask("HSET", key("swept"), "last", std::to_string(now - 30'000));
        ask("ZADD", key("leases"), std::to_string(now - 10'000), t.run);
        sweep();
    };
    excuse();
    EXPECT_EQ(record_of(t.run).step(0).value().facts, R"({"name":"a","status":"interrupted","attempt":1})");
    EXPECT_EQ(run(t.run).count("claimed"), 0u);
    for (int n = 2; n <= 10; ++n) {
        claim();
        excuse();
    }
    EXPECT_EQ(run(t.run).count("lost"), 0u);
    claim();
    excuse(); // perhaps it is the run that brings the host down
    EXPECT_EQ(run(t.run).at("lost"), "1");
    expect_consistent();
}

TEST_F(Sweep, ARecordThatSomebodyBrokeKeepsNoOtherFromItsTime) {
    const auto broken = running(), sound = running();
    finish(broken);
    finish(sound);
    ask("HSET", keys::run(0, broken.run), "ended", "abc");
    make_due("ended", broken.run);
    make_due("ended", sound.run);
    sweep();
    EXPECT_EQ(run(sound.run).at("status"), "expired");
    EXPECT_EQ(run(broken.run).at("status"), "ready");
}

TEST_F(Sweep, TheRunDeadlineCountsFromTheFirstClaim) {
    const auto t = running();
    step(t, 0, "running");
    ask("HINCRBY", keys::run(0, t.run), "claimed", "-600000");
    release(t);
    const auto left = claim().at(0).time_left;
    EXPECT_LE(left, limits_.run_deadline - std::chrono::minutes(10));
    EXPECT_GT(left, limits_.run_deadline - std::chrono::minutes(11));
}

TEST_F(Sweep, ARunHandedBackBeforeItWasBegunHasAllItsTimeYet) {
    const auto t = running();
    ask("HINCRBY", keys::run(0, t.run), "claimed", "-600000");
    release(t);
    EXPECT_GT(claim().at(0).time_left, limits_.run_deadline - std::chrono::minutes(1));
}

// Every status meets every call: what the table allows happens, and nothing else does.
TEST_F(Sweep, EveryStatusMeetsEveryCall) {
    struct made {
        std::string run;
        claim_ticket ticket;
    };
    const auto make = [&](run_status s) -> made {
        const auto t = running();
        switch (s) {
        case run_status::queued:
            release(t);
            break;
        case run_status::running:
            break;
        case run_status::blocked:
            block(t, "tool");
            break;
        case run_status::canceled:
            cancel(t.run);
            break;
        case run_status::expired:
            release(t);
            make_due("queued", t.run);
            sweep();
            break;
        default:
            finish(t, s);
        }
        EXPECT_EQ(run(t.run).at("status"), name_of(s));
        return {t.run, t};
    };
    for (std::size_t i = 0; i < run_status_names.size(); ++i) {
        const auto s = static_cast<run_status>(i);
        for (const auto t : {transition::claim, transition::release, transition::block, transition::finish,
                             transition::cancel, transition::lose, transition::unblock}) {
            SCOPED_TRACE(std::string(name_of(s)) + " meets " +
                         std::string(transition_names[static_cast<std::size_t>(t)]));
            SetUp();
            auto m = make(s);
            m.ticket.epoch = std::stoll(run(m.run).at("epoch")); // the fence is not what is tested here
            m.ticket.token = "t";
            ask("HSET", keys::run(0, m.run), "token", "t");
            const auto before = run(m.run);
            switch (t) {
            case transition::claim:
                claim();
                break;
            case transition::release:
                release(m.ticket);
                break;
            case transition::block:
                block(m.ticket, "other");
                break;
            case transition::finish:
                finish(m.ticket, run_status::failed);
                break;
            case transition::cancel:
                (void)cancel(m.run, "another token");
                break;
            case transition::lose:
                make_due("leases", m.run);
                sweep();
                break;
            default:
                sweep("tool");
            }
            if (may(t, s))
                EXPECT_NE(run(m.run).at("seq"), before.at("seq"));
            else
                EXPECT_EQ(run(m.run), before);
            if (t != transition::lose || may(t, s))
                expect_consistent();
        }
    }
}

} // namespace
} // namespace reprise
