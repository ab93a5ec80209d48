// The connection to Redis, against a real one that is stopped, frozen and started again.
#include "common/redis/connection.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/run_async.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <gtest/gtest.h>

namespace reprise::redis {
namespace {

namespace asio = boost::asio;
using test::run_async;
using namespace std::chrono_literals;

class Connection : public ::testing::Test {
  protected:
    options settings() {
        options o;
        o.where = server_.address();
        o.name = "test";
        o.reply_timeout = 500ms;
        return o;
    }
    reply ask(connection& c, command what) { return run_async(io_, c.call(std::move(what))); }

    asio::io_context io_;
    test::redis_server server_;
};

asio::awaitable<void> count_up(connection& c, int times, int& wrong) {
    for (int i = 0; i < times; ++i) {
        const auto text = std::to_string(i);
        const auto r = co_await c.call(command::of("ECHO", text));
        wrong += r.text() != text;
    }
}

TEST_F(Connection, RepliesReachTheirCallers) {
    connection c(io_.get_executor(), settings());
    int wrong = 0, running = 50;
    for (int i = 0; i < 50; ++i)
        asio::co_spawn(io_, count_up(c, 100, wrong), [&](std::exception_ptr e) {
            wrong += e != nullptr;
            if (--running == 0)
                io_.stop();
        });
    io_.run_for(20s);
    EXPECT_EQ(running, 0);
    EXPECT_EQ(wrong, 0);
}

// More than a socket takes at once, and calls that come while the rest of it still waits.
TEST_F(Connection, WhatDoesNotGoAtOnceGoesInItsOrder) {
    auto o = settings();
    o.reply_timeout = 10s;
    connection c(io_.get_executor(), o);
    EXPECT_EQ(ask(c, command::of("PING")).text(), "PONG");
    constexpr std::size_t calls = 24;
    std::vector<std::string> texts;
    std::vector<command> commands;
    for (std::size_t i = 0; i < calls; ++i) {
        texts.emplace_back(i % 3 == 2 ? 3 : 1 << 20, static_cast<char>('a' + i));
        commands.push_back(command::of("ECHO", texts.back()));
    }
    const auto replies = run_async(io_, c.call_all(std::move(commands)));
    ASSERT_EQ(replies.size(), calls);
    for (std::size_t i = 0; i < calls; ++i)
        EXPECT_TRUE(replies[i].text() == texts[i]) << "reply " << i << " is not its call's";
    EXPECT_EQ(c.reconnects(), 0u);
}

TEST_F(Connection, AnErrorReplyIsAnExceptionForItsCallerAlone) {
    connection c(io_.get_executor(), settings());
    EXPECT_THROW(ask(c, command::of("NOSUCH")), refused);
    EXPECT_EQ(ask(c, command::of("PING")).text(), "PONG");
    EXPECT_EQ(c.reconnects(), 0u);
}

TEST_F(Connection, CallsFailInBoundedTimeWhenRedisIsAwayAndWorkWhenItIsBack) {
    connection c(io_.get_executor(), settings());
    EXPECT_EQ(ask(c, command::of("PING")).text(), "PONG");
    server_.stop();
    const auto began = std::chrono::steady_clock::now();
    EXPECT_THROW(ask(c, command::of("PING")), unavailable);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    server_.start();
    EXPECT_EQ(run_async(io_, c.call(command::of("PING"))).text(), "PONG");
}

TEST_F(Connection, AFrozenRedisLeavesTheOutcomeUnknown) {
    connection c(io_.get_executor(), settings());
    ask(c, command::of("PING"));
    server_.freeze(true);
    try {
        ask(c, command::of("INCR", "n"));
        ADD_FAILURE() << "answered by a frozen server";
    } catch (const unavailable& e) {
        EXPECT_TRUE(e.outcome_unknown());
    }
    server_.freeze(false);
    EXPECT_EQ(ask(c, command::of("PING")).text(), "PONG");
}

// The rest of a large call still waits to be written when its time is over: nothing of it may reach the next connection.
TEST_F(Connection, ALargeCallToAFrozenRedisIsGivenUpWithItsConnection) {
    connection c(io_.get_executor(), settings());
    ask(c, command::of("PING"));
    server_.freeze(true);
    std::vector<command> commands{command::of("ECHO", std::string(4 << 20, 'a')), command::of("ECHO", "b")};
    try {
        run_async(io_, c.call_all(std::move(commands)));
        ADD_FAILURE() << "answered by a frozen server";
    } catch (const unavailable& e) {
        EXPECT_TRUE(e.outcome_unknown());
    }
    server_.freeze(false);
    EXPECT_EQ(ask(c, command::of("ECHO", "c")).text(), "c");
    EXPECT_EQ(c.reconnects(), 1u);
}

TEST_F(Connection, ARedisThatIsFullOrReadOnlyIsAnOutageAndNoBug) {
    connection c(io_.get_executor(), settings());
    ask(c, command::of("CONFIG", "SET", "maxmemory", "1"));
    EXPECT_THROW(ask(c, command::of("SET", "a", "b")), unavailable);
    ask(c, command::of("CONFIG", "SET", "maxmemory", "0"));
    EXPECT_EQ(ask(c, command::of("SET", "a", "b")).text(), "OK");
}

TEST_F(Connection, CloseFailsWhatWaits) {
    connection c(io_.get_executor(), settings());
    ask(c, command::of("PING"));
    asio::post(io_, [&] { c.close(); });
    EXPECT_THROW(ask(c, command::of("BLPOP", "nothing", "0")), unavailable);
    EXPECT_THROW(ask(c, command::of("PING")), unavailable);
}

TEST_F(Connection, AWrongPasswordIsNotAnAnswer) {
    connection admin(io_.get_executor(), settings());
    ask(admin, command::of("ACL", "SETUSER", "someone", "on", ">secret", "~*", "+@all"));
    auto o = settings();
    o.where.user = "someone";
    o.where.password = "wrong";
    connection c(io_.get_executor(), o);
    EXPECT_THROW(ask(c, command::of("PING")), unavailable);
    o.where.password = "secret";
    connection d(io_.get_executor(), o);
    EXPECT_EQ(ask(d, command::of("ACL", "WHOAMI")).text(), "someone");
}

} // namespace
} // namespace reprise::redis
