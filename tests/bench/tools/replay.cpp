// replay: sends a recorded command again and again over one connection, so many in flight, each for a run of its own.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/measure.hpp"
#include "tests/bench/tools/recorded.hpp"
#include "tests/bench/tools/redis_socket.hpp"

#include <CLI/CLI.hpp>

#include <deque>
#include <iostream>
#include <memory>

namespace reprise::bench {
namespace {

struct options {
    std::string redis, file, id;
    std::size_t in_flight = 64;
    std::uint64_t calls = 50'000'000;
    double seconds = 60;
};

// An error inside of a transaction's answer is one, too.
std::string error_in(redis::reply_view r) {
    if (r.is_error())
        return std::string(r.text());
    for (std::size_t i = 0; r.is_array() && i < r.size(); ++i) {
        if (r[i].is_error())
            return std::string(r[i].text());
    }
    return {};
}

struct outcome {
    std::uint64_t calls = 0, errors = 0;
    std::string first_error;
    latencies took;
    double seconds = 0;
};

outcome replay(const options& o) {
    redis_socket redis(o.redis);
    const auto call = recorded::from_file(o.file, o.id);
    const auto ids = o.id.empty() ? std::nullopt : std::optional(run_ids(o.id, run_ids::fresh_origin()));
    std::deque<clock::time_point> under_way;
    outcome out;
    std::uint64_t sent = 0;
    std::string bytes;
    const auto began = clock::now(),
               until = began + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(o.seconds));
    const auto top_up = [&] {
        const auto now = clock::now();
        bytes.clear();
        for (; under_way.size() < o.in_flight && sent < o.calls && now < until; ++sent) {
            call.append_to(bytes, ids ? (*ids)[sent] : std::string());
            under_way.push_back(now);
        }
        redis.send(bytes);
    };
    const auto answered = [&](std::optional<redis::reply> reply) {
        auto error = error_in(reply->view());
        for (std::size_t i = 1; i < call.replies(); ++i) {
            reply = redis.receive();
            if (auto another = error_in(reply->view()); error.empty())
                error = std::move(another);
        }
        out.took.add(clock::now() - under_way.front());
        under_way.pop_front();
        ++out.calls;
        out.errors += !error.empty();
        if (out.first_error.empty())
            out.first_error = std::move(error);
    };
    for (top_up(); !under_way.empty(); top_up()) {
        answered(redis.receive());
        while (!under_way.empty()) { // all that came with it
            auto more = redis.next();
            if (!more)
                break;
            answered(std::move(more));
        }
    }
    out.seconds = seconds_of(clock::now() - began);
    return out;
}

} // namespace

void add_replay(CLI::App& app) {
    auto& c = *app.add_subcommand("replay", "sends a recorded command for one fresh run after the other");
    auto o = std::make_shared<options>();
    c.add_option("--redis", o->redis, "unix socket")->required();
    c.add_option("--file", o->file, "the command, or several that make one call")->required();
    c.add_option("--id", o->id, "the recorded run, for which fresh ones are put");
    c.add_option("--in-flight", o->in_flight, "calls under way at once")->check(CLI::Range(1, 4096));
    c.add_option("--calls", o->calls, "at most");
    c.add_option("--seconds", o->seconds, "at most")->check(CLI::Range(0.01, 600.0));
    c.callback([o] {
        auto r = replay(*o);
        std::cout << fmt::format(R"({{"calls":{},"errors":{},"seconds":{:.6f},"rate":{:.1f},{},"firstError":"{}"}})",
                                 r.calls, r.errors, r.seconds, static_cast<double>(r.calls) / r.seconds,
                                 r.took.members(), r.first_error)
                  << std::endl;
    });
}

} // namespace reprise::bench
