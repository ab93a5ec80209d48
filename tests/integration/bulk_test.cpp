// What a wave of retries came to.
#include "tests/integration/queue_fixture.hpp"

#include <initializer_list>

namespace reprise {
namespace {

class Bulk : public QueueTest {
  protected:
    void call(std::string name, std::initializer_list<std::string> args) {
        test::run_async(io_, functions_->call(std::move(name), 0, std::vector<std::string>(args)));
    }
    void begin() {
        call("bulk_start", {"blk", "acme", "user:test", "", "", "", "0", "of", "dead"});
        call("bulk_take", {"blk", "turn", "60000"});
    }
    void end_early() { call("bulk_done", {"blk", "turn", "stopped", "because", "the key was revoked"}); }
    std::map<std::string, std::string> wave() { return hash(keys::bulk(0, "blk")); }
};

TEST_F(Bulk, WhyAWaveEndedIsToldOnceAndForAll) {
    begin();
    end_early();
    end_early(); // as after a lost answer
    EXPECT_EQ(wave().at("state"), "stopped");
    EXPECT_EQ(wave().at("because"), "the key was revoked");
}

TEST_F(Bulk, WhoStoppedAWaveIsWhyItEnded) {
    begin();
    call("bulk_stop", {"blk", "user:grace", ""});
    end_early();
    EXPECT_EQ(wave().at("state"), "stopped");
    EXPECT_EQ(wave().count("because"), 0u);
    EXPECT_EQ(wave().at("stoppedBy"), "user:grace");
}

} // namespace
} // namespace reprise
