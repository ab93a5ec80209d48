// What is let into the queue, and what is not.
#include "tests/integration/queue_fixture.hpp"

namespace reprise {
namespace {

using Accept = QueueTest;

TEST_F(Accept, AnAcceptedRunIsQueuedEverywhereAtOnce) {
    const auto n = a_start();
    const auto a = accept(n);
    ASSERT_TRUE(a) << a.error().message;
    EXPECT_FALSE(a->replayed);
    EXPECT_EQ(a->queued, 1);
    EXPECT_EQ(hash(keys::project(0, a->project)).at("name"), "Pets");
    const auto r = run(n.id);
    EXPECT_EQ(r.at("status"), "queued");
    EXPECT_EQ(r.at("where"), "stream");
    EXPECT_EQ(ask("XLEN", keys::queue(0, keys::default_stream)).number(), 1);
    EXPECT_EQ(ask("ZSCORE", keys::runs(0, "acme"), n.id).number(), a->now);
    EXPECT_GE(ask("ZSCORE", keys::retained(0), "acme/" + n.blobs[0]).number(), a->kept_until);
    expect_consistent();
}

TEST_F(Accept, TheSameCallTwiceMakesOneRun) {
    const auto n = a_start();
    EXPECT_FALSE(accept(n)->replayed);
    const auto again = accept(n);
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->run, n.id);
    EXPECT_EQ(stat("accepted"), 1);
}

TEST_F(Accept, TheSameCallTwiceMakesOneRunThoughWhatItUsedUpIsMissingNow) {
    org("acme", "active", "1");
    const auto n = a_start();
    EXPECT_FALSE(accept(n)->replayed);
    EXPECT_EQ(refusal(a_start()), errc::quota_exceeded);
    const auto again = accept(n);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->replayed);
    const auto t = claim().at(0).ticket; // wherever the run has come meanwhile
    EXPECT_EQ(accept(n)->run, n.id);
    finish(t);
    EXPECT_EQ(accept(n)->run, n.id);
    EXPECT_EQ(stat("accepted"), 1);
    expect_consistent();
}

TEST_F(Accept, AnIdempotencyKeyLeadsToTheFirstRun) {
    auto first = a_start(), second = a_start(), other = a_start();
    first.idem = second.idem = other.idem = "key";
    first.fingerprint = second.fingerprint = "same";
    other.fingerprint = "another";
    accept(first);
    const auto replay = accept(second);
    EXPECT_TRUE(replay->replayed);
    EXPECT_EQ(replay->run, first.id);
    EXPECT_EQ(refusal(other), errc::idempotency_key_reused);
    EXPECT_TRUE(run(second.id).empty());
    EXPECT_GT(ask("PTTL", key("idem:key")).number(), 86'000'000);
}

TEST_F(Accept, ARetryDoesNotCountOnBytesThatAreStillBeingWritten) {
    const auto source = queued();
    const auto blob = "acme/" + sha256_hex("document");
    ask("ZADD", keys::retained(0), "1", blob);
    ask("ZADD", keys::pinned(0), "9999999999999", blob); // another start puts the same bytes
    EXPECT_EQ(accept(a_retry_of(source)).error().code, errc::inputs_not_retained);
}

TEST_F(Accept, ARetryLeavesItsSourceUntouchedAndCountsItsLine) {
    const auto source = queued();
    const auto before = run(source);
    const auto first = a_retry_of(source);
    EXPECT_EQ(accept(first)->nth, 1);
    const auto second = a_retry_of(first.id);
    const auto a = accept(second);
    EXPECT_EQ(a->nth, 2);
    EXPECT_EQ(a->root, source);
    EXPECT_EQ(run(source), before);
    EXPECT_EQ(record_of(second.id).source(), first.id);
}

TEST_F(Accept, EachRefusalHasItsCauseAndChangesNothing) {
    const auto source = queued();
    const auto project = run(source).at("project");
    org("other", "active", "");
    auto unknown = a_retry_of(id()), unpinned = a_retry_of(source), nobody = a_retry_of(source);
    auto project_unknown = a_start();
    project_unknown.project = make_id(id_kind::project, 0, 1, random_base32(16));
    unpinned.blobs = {sha256_hex("never stored")};
    nobody.org = "nobody";
    const auto before = ask("DEBUG", "DIGEST");
    const auto nothing_changed = [&] { return ask("DEBUG", "DIGEST").text() == before.text(); };

    EXPECT_EQ(refusal(unknown), errc::run_not_found);
    EXPECT_EQ(refusal(project_unknown), errc::project_not_found);
    EXPECT_EQ(refusal(unpinned), errc::inputs_not_retained);
    EXPECT_EQ(refusal(nobody), errc::run_not_found);
    EXPECT_TRUE(nothing_changed());
}

TEST_F(Accept, AnotherOrganisationsRunIsNotFound) {
    const auto source = queued();
    org("other", "active", "");
    auto n = a_start("other");
    n.source = source;
    EXPECT_EQ(refusal(n), errc::run_not_found);
    EXPECT_EQ(cancel(source, "c", "other").error().code, errc::run_not_found);
}

TEST_F(Accept, RefusalsComeInTheContractsOrder) {
    const auto source = queued();
    auto n = a_retry_of(source);
    n.blobs = {sha256_hex("gone")};
    std::vector<std::string> archive{run(source).at("project")};
    test::run_async(io_, functions_->call("project_archive", 0, archive));
    org("acme", "inactive", "0");
    EXPECT_EQ(refusal(n), errc::project_archived);
    ask("HSET", key("project:" + archive[0]), "status", "active");
    EXPECT_EQ(refusal(n), errc::plan_inactive);
    org("acme", "active", "0");
    EXPECT_EQ(refusal(n), errc::quota_exceeded);
    org("acme", "", "unlimited");
    EXPECT_EQ(refusal(n), errc::inputs_not_retained);
}

TEST_F(Accept, TheQuotaIsOfTheMonth) {
    org("acme", "", "2");
    queued();
    queued();
    EXPECT_EQ(refusal(a_start()), errc::quota_exceeded);
    const auto month = ask("HGET", key("org:acme"), "month").number();
    const auto now =
        std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now())};
    EXPECT_EQ(month, static_cast<int>(now.year()) * 12 + static_cast<int>(static_cast<unsigned>(now.month())) - 1);
    ask("HSET", key("org:acme"), "month", std::to_string(month - 1));
    const auto a = accept(a_start());
    ASSERT_TRUE(a);
    EXPECT_EQ(a->used, 1);
}

TEST_F(Accept, AFullQueueRefusesAndKeepsNothing) {
    queue_limits narrow = limits_;
    narrow.most_queued = 1;
    run_queue small(*functions_, narrow);
    queued();
    const auto a = test::run_async(io_, small.accept(0, a_start()));
    ASSERT_FALSE(a);
    EXPECT_EQ(a.error().code, errc::queue_full);
    EXPECT_EQ(stat("queued"), 1);
}

TEST_F(Accept, ProjectsAreFoundByNameWithinTheirOrganisation) {
    const auto first = accept(a_start()), second = accept(a_start());
    EXPECT_EQ(first->project, second->project);
    EXPECT_EQ(second->runs_of_project, 2);
    org("other", "active", "");
    EXPECT_NE(accept(a_start("other"))->project, first->project);
}

// What is asked for in one turn of the loop goes to Redis as one call; each is answered as if it had come alone.
class AcceptMany : public QueueTest {
  protected:
    std::vector<result<accepted_run>> accept_together(const std::vector<new_run>& runs) {
        std::vector<result<accepted_run>> answers(runs.size(), failure{errc::internal_error, "no answer"});
        std::size_t missing = runs.size();
        for (std::size_t i = 0; i < runs.size(); ++i)
            boost::asio::co_spawn(io_, queue_->accept(0, runs[i]),
                                  [&, i](std::exception_ptr failed, result<accepted_run> a) {
                                      if (!failed)
                                          answers[i] = std::move(a);
                                      --missing;
                                  });
        io_.restart();
        while (missing > 0)
            io_.run_one();
        return answers;
    }
    std::int64_t calls_of_accept() {
        const std::string all(ask("INFO", "commandstats").text());
        const auto at = all.find("cmdstat_fcall:calls=");
        return at == std::string::npos ? 0 : std::stoll(all.substr(at + 20));
    }
};

TEST_F(AcceptMany, GoInOneCallAndAreCountedOneByOne) {
    const auto source = queued();
    std::vector<new_run> runs;
    for (int i = 0; i < 10; ++i)
        runs.push_back(a_retry_of(source));
    const auto before = calls_of_accept();
    const auto answers = accept_together(runs);
    EXPECT_EQ(calls_of_accept() - before, 1);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        ASSERT_TRUE(answers[i]) << answers[i].error().message;
        EXPECT_EQ(answers[i]->run, runs[i].id);
        EXPECT_EQ(answers[i]->nth, static_cast<std::int64_t>(i) + 1);
        EXPECT_EQ(answers[i]->queued, static_cast<std::int64_t>(i) + 2);
        EXPECT_EQ(answers[i]->runs_of_project, static_cast<std::int64_t>(i) + 2);
        EXPECT_EQ(run(runs[i].id).at("nth"), std::to_string(i + 1));
        EXPECT_FALSE(ask("ZSCORE", key("retries:" + source), runs[i].id).is_nil());
    }
    EXPECT_EQ(stat("accepted"), 11);
    expect_consistent();
}

TEST_F(AcceptMany, AQuotaIsNotOverdrawnAndAKeyMakesOneRun) {
    org("acme", "active", "3");
    std::vector<new_run> runs;
    for (int i = 0; i < 6; ++i)
        runs.push_back(a_start());
    runs[0].idem = runs[1].idem = "key";
    runs[0].fingerprint = runs[1].fingerprint = "print";
    const auto answers = accept_together(runs);
    ASSERT_TRUE(answers[0] && answers[1]);
    EXPECT_FALSE(answers[0]->replayed);
    EXPECT_TRUE(answers[1]->by_key);
    EXPECT_EQ(answers[1]->run, runs[0].id);
    EXPECT_TRUE(answers[2] && answers[3]);
    EXPECT_EQ(answers[4].error().code, errc::quota_exceeded);
    EXPECT_EQ(answers[5].error().code, errc::quota_exceeded);
    EXPECT_EQ(stat("accepted"), 3);
    expect_consistent();
}

TEST_F(AcceptMany, ARepeatedCallTakesNoRoomFromThoseThatComeWithIt) {
    org("acme", "active", "3");
    const auto first = a_start();
    accept(first);
    const std::vector<new_run> runs{first, a_start(), a_start(), a_start()};
    const auto answers = accept_together(runs);
    ASSERT_TRUE(answers[0] && answers[1] && answers[2]);
    EXPECT_TRUE(answers[0]->replayed);
    EXPECT_EQ(answers[0]->run, first.id);
    EXPECT_FALSE(answers[1]->replayed);
    EXPECT_EQ(answers[2]->used, 3);
    EXPECT_EQ(answers[2]->queued, 3);
    EXPECT_EQ(answers[2]->runs_of_project, 3);
    EXPECT_EQ(answers[3].error().code, errc::quota_exceeded);
    EXPECT_EQ(stat("accepted"), 3);
    expect_consistent();
}

TEST_F(AcceptMany, TheSameBytesAreHeldForEachOrganisation) {
    org("other", "active", "");
    const std::vector<new_run> runs{a_start("acme"), a_start("other"), a_start("acme")};
    const auto answers = accept_together(runs);
    ASSERT_TRUE(answers[0] && answers[1] && answers[2]);
    for (const auto* name : {"acme/", "other/"}) {
        const auto blob = name + sha256_hex("document");
        EXPECT_EQ(ask("ZSCORE", keys::retained(0), blob).number(), answers[0]->kept_until) << blob;
        EXPECT_TRUE(ask("ZSCORE", keys::pinned(0), blob).is_nil()) << blob;
    }
    expect_consistent();
}

TEST_F(AcceptMany, ARunThatIsAskedForTwiceIsOne) {
    const auto n = a_start();
    const auto answers = accept_together({n, n});
    ASSERT_TRUE(answers[0] && answers[1]);
    EXPECT_TRUE(answers[1]->replayed);
    EXPECT_EQ(stat("accepted"), 1);
    expect_consistent();
}

TEST_F(AcceptMany, ABrokenRecordFailsOnlyThoseThatNeedIt) {
    const auto source = queued();
    const auto broken = id();
    ask("SET", keys::run(0, broken), "no hash");
    const std::vector<new_run> runs{a_retry_of(source), a_retry_of(broken), a_retry_of(source)};
    const auto answers = accept_together(runs);
    EXPECT_TRUE(answers[0] && answers[2]);
    ASSERT_FALSE(answers[1]);
    EXPECT_EQ(answers[1].error().message, "no answer"); // Redis refused it
    EXPECT_EQ(answers[2]->nth, 2);
    EXPECT_EQ(stat("accepted"), 3);
    expect_consistent();
}

TEST_F(Accept, ABlobThatIsOnlyBeingWrittenIsNothingThatARetryMayCountOn) {
    const auto source = queued();
    auto retry = a_retry_of(source);
    ask("ZREM", keys::retained(0), "acme/" + retry.blobs[0]); // dropped; and somebody is about to write it again
    EXPECT_EQ(refusal(retry), errc::inputs_not_retained);
    EXPECT_TRUE(accept(a_start())); // he who wrote it may
    EXPECT_TRUE(accept(retry));
}

TEST_F(Accept, ABlobThatIsHeldCannotBeDropped) {
    const auto n = a_start();
    EXPECT_FALSE(test::run_async(io_, queue_->drop_if_due(0, "acme", n.blobs[0])));
    accept(n);
    EXPECT_FALSE(test::run_async(io_, queue_->drop_if_due(0, "acme", n.blobs[0])));
    make_due("retained", "acme/" + n.blobs[0]);
    EXPECT_TRUE(test::run_async(io_, queue_->drop_if_due(0, "acme", n.blobs[0])));
    EXPECT_EQ(refusal([&] {
                  auto again = a_retry_of(n.id);
                  ask("ZREM", keys::retained(0), "acme/" + n.blobs[0]);
                  return again;
              }()),
              errc::inputs_not_retained);
}

TEST_F(Accept, ARetryDoesNotCountOnWhatWasDroppedBeforeItsSourceMovedOn) {
    const auto n = a_start();
    accept(n);
    auto t = claim().at(0).ticket;
    const auto drop = [&] {
        make_due("retained", "acme/" + n.blobs[0]);
        return test::run_async(io_, queue_->drop_if_due(0, "acme", n.blobs[0]));
    };
    EXPECT_TRUE(drop()); // the worker stood still for longer than its inputs are held, and was the first to go on
    EXPECT_EQ(release(t), write_outcome::done);
    EXPECT_EQ(refusal(a_retry_of(n.id)), errc::inputs_not_retained);
    t = claim().at(0).ticket;
    EXPECT_EQ(finish(t, run_status::failed), write_outcome::done);
    EXPECT_EQ(refusal(a_retry_of(n.id)), errc::inputs_not_retained);
}

} // namespace
} // namespace reprise
