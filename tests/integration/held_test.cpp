// What runs need is held for as long as they need it: each run's own inputs, however many are told of in one call.
#include "tests/integration/queue_fixture.hpp"

namespace reprise {
namespace {

class Held : public QueueTest {
  protected:
    std::int64_t until(const std::string& sha) { return ask("ZSCORE", keys::retained(0), "acme/" + sha).number(); }
    // Three inputs, of which one has a file name that looks like a digest.
    new_run with_inputs(const std::string& name) {
        auto n = a_start();
        n.blobs.clear();
        for (const auto input : {" openapi", " config", " oldSdk"})
            n.blobs.push_back(sha256_hex(name + input));
        n.inputs = fmt::format(R"({{"openapi":{{"fileName":"\"sha256\":\"x","sha256":"{}"}},)"
                               R"("config":{{"sha256":"{}"}},"oldSdk":{{"sha256":"{}"}}}})",
                               n.blobs[0], n.blobs[1], n.blobs[2]);
        test::run_async(io_, queue_->pin(0, n.org, n.blobs));
        EXPECT_TRUE(accept(n));
        return n;
    }
};

TEST_F(Held, EachOfSeveralRunsHoldsItsOwnInputsForLonger) {
    limits_.retention = std::chrono::hours(24 * 365);
    queue_ = std::make_unique<run_queue>(*functions_, limits_);
    const std::vector<new_run> runs{with_inputs("first"), with_inputs("second"), with_inputs("first")};
    const auto accepted_until = until(runs[0].blobs[0]);
    auto claimed = claim(runs.size());
    ASSERT_EQ(claimed.size(), runs.size());
    for (const auto& c : claimed)
        EXPECT_EQ(finish(c.ticket), write_outcome::done);
    for (const auto& n : runs)
        for (const auto& blob : n.blobs)
            EXPECT_GT(until(blob), accepted_until) << blob;
}

// An earlier build of this schema wrote the digests a second time; and what the run made is held with them.
TEST_F(Held, ARunThatHasWaitedTooLongExpiresWhenItIsMetAndItsInputsAreHeldUntilThen) {
    const auto n = a_start();
    ASSERT_TRUE(accept(n));
    const auto kept = sha256_hex("written twice"), made = sha256_hex("made");
    ask("HSET", keys::run(0, n.id), "keptUntil", "1", "kept", kept, "made", made);
    for (const auto& sha : {kept, n.blobs[0]})
        ask("ZADD", keys::retained(0), "1", "acme/" + sha);
    EXPECT_TRUE(claim().empty());
    EXPECT_EQ(run(n.id)["status"], "expired");
    EXPECT_EQ(run(n.id)["error"], "queue_ttl");
    EXPECT_GT(until(kept), 1);
    EXPECT_GT(until(made), 1);
    EXPECT_EQ(until(n.blobs[0]), 1); // `kept` says what was held
    expect_consistent();
}

} // namespace
} // namespace reprise
