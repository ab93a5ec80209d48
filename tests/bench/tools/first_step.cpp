// first_step: how long an idle Reprise takes from a retry to the run's beginning, one run at a time and at random gaps, as
// seen by somebody who reads the feed of events with blocking XREADs; and the round trip of a PING at such moments.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/http_client.hpp"
#include "tests/bench/tools/measure.hpp"
#include "tests/bench/tools/redis_socket.hpp"

#include <CLI/CLI.hpp>
#include <poll.h>

#include <array>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

namespace reprise::bench {
namespace {

constexpr auto patience = std::chrono::seconds(30); // for one run

struct options {
    std::string redis, request, events = "reprise:{p0}:events";
    unsigned short port = 0;
    int runs = 300, gap_ms = 30;
    std::uint64_t seed = 1;
};

// A run's way, by when it was seen.
struct seen {
    clock::time_point sent, answered, accepted, begun, ended;
};

class observer {
  public:
    explicit observer(const options& o)
        : o_(o), request_(read_file(o.request)), feed_(o.redis), ping_(o.redis), api_(o.port), dice_(o.seed) {
        const auto last = feed_.call("XREVRANGE", o_.events, "+", "-", "COUNT", "1");
        last_ = last.size() ? std::string(last[0][0].text()) : "0";
    }

    void run() {
        latencies ping, answer, from_post, from_event, whole;
        read_on();
        for (int i = 0; i < o_.runs; ++i) {
            pause();
            const auto before = clock::now();
            ping_.call("PING");
            ping.add(clock::now() - before);
            pause();
            const auto s = one_run();
            answer.add(s.answered - s.sent);
            from_post.add(s.begun - s.sent);
            from_event.add(s.begun - s.accepted);
            whole.add(s.ended - s.sent);
        }
        std::cout << fmt::format(R"({{"runs":{},"ping":{{{}}},"answer":{{{}}},"postToStep":{{{}}},)"
                                 R"("acceptToStep":{{{}}},"whole":{{{}}}}})",
                                 o_.runs, ping.members(), answer.members(), from_post.members(), from_event.members(),
                                 whole.members())
                  << std::endl;
    }

  private:
    void pause() {
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::uniform_int_distribution(1000, 1000 * o_.gap_ms)(dice_)));
    }

    void read_on() { feed_.send(redis::command::of("XREAD", "BLOCK", "1000", "STREAMS", o_.events, last_).bytes()); }

    seen one_run() {
        seen s;
        s.sent = clock::now();
        api_.send(request_);
        while (s.ended == clock::time_point() || s.answered == clock::time_point()) {
            if (clock::now() - s.sent > patience)
                throw std::runtime_error("a run did not end");
            std::array<pollfd, 2> p{pollfd{feed_.descriptor(), POLLIN, 0}, pollfd{api_.descriptor(), POLLIN, 0}};
            ::poll(p.data(), p.size(), 1000);
            const auto now = clock::now();
            if (p[1].revents)
                take_answer(s, now);
            if (p[0].revents)
                take_events(s, now);
        }
        return s;
    }

    void take_answer(seen& s, clock::time_point now) {
        if (!api_.receive())
            throw std::runtime_error("the API closed the connection");
        if (const auto status = api_.answer()) {
            if (status != 202)
                throw std::runtime_error(fmt::format("a retry was answered {}", status));
            s.answered = now;
        }
    }

    void take_events(seen& s, clock::time_point now) {
        const auto reply = feed_.receive();
        if (reply.size()) {
            const auto entries = reply[0][1];
            for (std::size_t i = 0; i < entries.size(); ++i)
                take_event(s, entries[i], now);
        }
        read_on();
    }

    void take_event(seen& s, redis::reply_view entry, clock::time_point now) {
        last_ = entry[0].text();
        std::string_view type;
        for (std::size_t i = 0; i + 1 < entry[1].size(); i += 2) {
            if (entry[1][i].text() == "type")
                type = entry[1][i + 1].text();
        }
        if (type == "run.queued")
            s.accepted = now;
        else if (type == "run.running" || type.starts_with("step."))
            s.begun = s.begun == clock::time_point() ? now : s.begun;
        else
            s.ended = now;
    }

    const options& o_;
    const std::string request_;
    redis_socket feed_, ping_;
    http_connection api_;
    std::mt19937_64 dice_;
    std::string last_;
};

} // namespace

void add_first_step(CLI::App& app) {
    auto& c = *app.add_subcommand("first_step", "times from a retry to the beginning of its run");
    auto o = std::make_shared<options>();
    c.add_option("--redis", o->redis, "unix socket")->required();
    c.add_option("--port", o->port, "of the API")->required();
    c.add_option("--request", o->request, "file with the retry")->required();
    c.add_option("--runs", o->runs)->check(CLI::Range(1, 100'000));
    c.add_option("--gap", o->gap_ms, "longest pause, ms")->check(CLI::Range(2, 10'000));
    c.add_option("--seed", o->seed, "of the pauses");
    c.callback([o] { observer(*o).run(); });
}

} // namespace reprise::bench
