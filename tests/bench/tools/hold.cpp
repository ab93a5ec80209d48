// hold: keeps connections open that have made one request each, and watchers of a run that goes nowhere, until TERM. What
// they are sent is read and dropped.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/http_client.hpp"
#include "tests/bench/tools/measure.hpp"

#include <CLI/CLI.hpp>
#include <poll.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <vector>

namespace reprise::bench {
namespace {

constexpr std::size_t at_once = 64; // being opened

struct options {
    unsigned short port = 0;
    std::string idle_request, watch_request;
    std::size_t idle = 0, watching = 0;
    int seconds = 120;
};

void await_answer(http_connection& c, bool head_only) {
    for (;;) {
        pollfd p{c.descriptor(), POLLIN, 0};
        if (::poll(&p, 1, 10'000) <= 0 || !c.receive())
            throw std::runtime_error("a connection was not answered");
        if (const auto status = c.answer(head_only)) {
            if (status != 200)
                throw std::runtime_error(fmt::format("a connection was answered {}", status));
            return;
        }
    }
}

void open(std::vector<http_connection>& held, const options& o, std::size_t count, const std::string& path,
          bool watch) {
    if (count == 0)
        return;
    const auto request = read_file(path);
    for (std::size_t done = 0; done < count;) {
        const auto first = held.size();
        for (; held.size() - first < at_once && done < count; ++done) {
            held.emplace_back(o.port);
            held.back().send(request);
        }
        for (auto i = first; i < held.size(); ++i)
            await_answer(held[i], watch);
    }
}

void hold(const options& o) {
    std::vector<http_connection> held;
    held.reserve(o.idle + o.watching);
    open(held, o, o.watching, o.watch_request, true);
    open(held, o, o.idle, o.idle_request, false);
    std::cout << fmt::format(R"({{"event":"holding","idle":{},"watching":{}}})", o.idle, o.watching) << std::endl;

    const auto until = clock::now() + std::chrono::seconds(o.seconds);
    std::size_t closed = 0;
    while (clock::now() < until) {
        // Looked at now and then, not waited for: what holds must not take part.
        ::poll(nullptr, 0, 2000);
        for (auto& c : held) {
            pollfd p{c.descriptor(), POLLIN, 0};
            if (::poll(&p, 1, 0) > 0 && !c.receive() && closed++ == 0)
                std::cout << R"({"event":"closed"})" << std::endl;
            c.drop();
        }
    }
}

} // namespace

void add_hold(CLI::App& app) {
    auto& c = *app.add_subcommand("hold", "keeps connections and watchers, until TERM");
    auto o = std::make_shared<options>();
    c.add_option("--port", o->port)->required();
    c.add_option("--idle", o->idle, "connections that make one request")->check(CLI::Range(0, 60'000));
    c.add_option("--idle-request", o->idle_request, "file");
    c.add_option("--watch", o->watching, "watchers")->check(CLI::Range(0, 60'000));
    c.add_option("--watch-request", o->watch_request, "file");
    c.add_option("--seconds", o->seconds, "ends by itself after so many")->check(CLI::Range(1, 3600));
    c.callback([o] { hold(*o); });
}

} // namespace reprise::bench
