// A queue on a private Redis, emptied for each test, and short words for what tests do with it.
#pragma once
#include "common/crypto/digest.hpp"
#include "common/queue/keys.hpp"
#include "common/queue/run_queue.hpp"
#include "common/run/id.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/run_async.hpp"

#include <gtest/gtest.h>

#include <map>

namespace reprise {

class QueueTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { server_ = new test::redis_server; }
    static void TearDownTestSuite() {
        delete server_;
        server_ = nullptr;
    }

    void SetUp() override {
        redis::options o;
        o.where = server_->address();
        o.name = "test";
        redis_ = std::make_unique<redis::connection>(io_.get_executor(), o);
        ask("FLUSHALL");
        limits_.lease = std::chrono::milliseconds(200);
        functions_ = std::make_unique<functions>(*redis_, 1);
        queue_ = std::make_unique<run_queue>(*functions_, limits_);
        test::run_async(io_, functions_->install());
        org("acme", "active", "");
    }

    template <class... Text>
    redis::reply ask(const Text&... words) {
        return test::run_async(io_, redis_->call(redis::command::of(words...)));
    }
    std::string key(std::string_view name) const { return keys::prefix(0) + std::string(name); }

    void org(std::string name, std::string plan, std::string limit) {
        std::vector<std::string> args{std::move(name), std::move(plan), std::move(limit)};
        test::run_async(io_, functions_->call("org_set", 0, std::move(args)));
    }

    static std::string id() {
        return make_id(id_kind::run, 0, static_cast<std::uint64_t>(wall_clock()), random_base32(16));
    }

    new_run a_start(std::string org_name = "acme") {
        new_run n;
        n.id = id();
        n.org = std::move(org_name);
        n.project_name = "Pets";
        n.new_project = make_id(id_kind::project, 0, 1, random_base32(16));
        n.mode = "flagship";
        n.user = "test";
        n.blobs = {sha256_hex("document")};
        n.inputs = fmt::format(R"({{"openapi":{{"sha256":"{}"}}}})", n.blobs[0]);
        n.actor = "user:test";
        test::run_async(io_, queue_->pin(0, n.org, n.blobs));
        return n;
    }

    new_run a_retry_of(const std::string& source) {
        auto n = a_start();
        n.source = source;
        n.project_name.clear();
        n.new_project.clear();
        return n;
    }

    result<accepted_run> accept(const new_run& n) { return test::run_async(io_, queue_->accept(0, n)); }
    errc refusal(const new_run& n) {
        const auto a = accept(n);
        EXPECT_FALSE(a);
        return a ? errc::internal_error : a.error().code;
    }

    std::string queued() {
        const auto n = a_start();
        EXPECT_TRUE(accept(n));
        return n.id;
    }

    std::vector<claimed_run> claim(std::size_t most = 1, std::string token = random_base32(8),
                                   bool repeated = false) {
        return test::run_async(io_, queue_->claim(0, "w1", std::move(token), most, repeated)).runs;
    }

    claim_ticket running() {
        queued();
        return claim().at(0).ticket;
    }

    write_outcome finish(const claim_ticket& t, run_status s = run_status::ready) {
        return test::run_async(io_, queue_->finish(t, s, "ready", "", "", "", "", {}));
    }
    write_outcome release(const claim_ticket& t, std::chrono::milliseconds delay = {}) {
        return test::run_async(io_, queue_->release(t, delay, "test", {}));
    }
    write_outcome block(const claim_ticket& t, std::string tool) {
        return test::run_async(io_, queue_->block(t, std::move(tool), {}));
    }
    // Of a step named `a`, in its first attempt.
    write_outcome step(const claim_ticket& t, std::size_t index, std::string status) {
        std::vector<step_change> changes(1);
        changes[0].index = index;
        changes[0].ended = status != "running";
        changes[0].status = std::move(status);
        changes[0].facts = "1 a";
        return test::run_async(io_, queue_->step(t, "a 01234567", "now", changes));
    }
    result<void> cancel(const std::string& run, std::string token = "c", std::string org_name = "acme") {
        return test::run_async(io_, queue_->cancel(0, run, std::move(org_name), std::move(token), "user:test", ""));
    }
    void sweep(std::string tools = "") { test::run_async(io_, queue_->sweep(0, "test", std::move(tools))); }

    // Puts the end of a lease, a delay or an accept time into the past: time is Redis' and cannot be stubbed.
    void make_due(std::string_view zset, const std::string& run) { ask("ZADD", key(zset), "1", run); }

    std::map<std::string, std::string> hash(const std::string& name) {
        const auto r = ask("HGETALL", name);
        std::map<std::string, std::string> m;
        for (std::size_t i = 0; i + 1 < r.size(); i += 2)
            m[std::string(r[i].text())] = r[i + 1].text();
        return m;
    }
    std::map<std::string, std::string> run(const std::string& run_id) { return hash(keys::run(0, run_id)); }
    run_record record_of(const std::string& run_id) {
        return {run_id, record(ask("HGETALL", keys::run(0, run_id)).view())};
    }
    std::int64_t stat(std::string_view name) {
        const auto r = ask("HGET", key("stats"), name);
        return r.is_nil() ? 0 : r.number();
    }
    std::int64_t pending() {
        std::int64_t n = 0;
        for (const auto stream : {keys::again_stream, keys::default_stream})
            n += ask("XPENDING", keys::queue(0, stream), keys::group)[0].number();
        return n;
    }

    // Everything that says how many runs are in which state says the same.
    void expect_consistent() {
        EXPECT_EQ(stat("queued"), ask("ZCARD", key("queued")).number());
        EXPECT_EQ(stat("running"), ask("ZCARD", key("leases")).number());
        EXPECT_EQ(stat("blocked"), ask("ZCARD", key("blocked")).number());
        EXPECT_EQ(stat("running"), pending());
        EXPECT_GE(stat("ghosts"), 0);
    }

    static inline test::redis_server* server_ = nullptr;
    boost::asio::io_context io_;
    queue_limits limits_;
    std::unique_ptr<redis::connection> redis_;
    std::unique_ptr<functions> functions_;
    std::unique_ptr<run_queue> queue_;
};

} // namespace reprise
