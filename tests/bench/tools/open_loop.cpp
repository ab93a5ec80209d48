// open_loop: requests at a fixed rate, whatever becomes of those before, as independent callers send them. A request's time is
// counted from when it was due, so that waiting for a free connection counts. With a rate that nothing can keep up with,
// and a number of calls, it is a closed loop.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/http_client.hpp"
#include "tests/bench/tools/measure.hpp"

#include <CLI/CLI.hpp>
#include <poll.h>
#include <sys/prctl.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <vector>

namespace reprise::bench {
namespace {

struct options {
    unsigned short port = 0;
    std::string request;
    double rate = 1000, seconds = 3;
    std::uint64_t calls = 0;
    std::size_t connections = 64;
    int expect = 202;
    int patience = 10; // seconds, for answers after the last request was due
};

class generator {
  public:
    explicit generator(const options& o)
        : o_(o),
          request_(read_file(o.request)),
          calls_(o.calls ? o.calls : static_cast<std::uint64_t>(o.rate * o.seconds)) {
        for (std::size_t i = 0; i < o.connections; ++i) {
            connections_.emplace_back(o.port);
            polled_.push_back({connections_.back().descriptor(), POLLIN, 0});
            free_.push_back(i);
        }
        due_.resize(o.connections);
        ::prctl(PR_SET_TIMERSLACK, 1000UL); // ns; 50 us by default
    }

    void run() {
        began_ = clock::now();
        const auto give_up = due(calls_) + std::chrono::seconds(o_.patience);
        while (answered_ < calls_ && clock::now() < give_up) {
            send_due();
            wait();
        }
        const auto seconds = seconds_of(clock::now() - began_);
        std::cout << fmt::format(R"({{"calls":{},"unanswered":{},"unexpected":{},"seconds":{:.6f},"rate":{:.1f},{},)"
                                 R"("senderP99":{:.1f}}})",
                                 answered_, calls_ - answered_, unexpected_, seconds,
                                 static_cast<double>(answered_) / seconds, took_.members(), late_.percentile(0.99))
                  << std::endl;
    }

  private:
    clock::time_point due(std::uint64_t n) const {
        return began_ + std::chrono::duration_cast<clock::duration>(
                            std::chrono::duration<double>(static_cast<double>(n) / o_.rate));
    }

    void send_due() {
        while (sent_ < calls_ && !free_.empty()) {
            const auto now = clock::now(), at = due(sent_);
            if (at > now)
                break;
            const auto connection = free_.back();
            free_.pop_back();
            due_[connection] = at;
            if (!waited_)
                late_.add(now - at); // nobody's fault but ours
            ++sent_;
            connections_[connection].send(request_);
        }
        waited_ = free_.empty();
    }

    void wait() {
        auto left =
            sent_ < calls_ && !free_.empty() ? due(sent_) - clock::now() : clock::duration(std::chrono::seconds(1));
        left = std::max(left, clock::duration(0));
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec t{whole.count(), std::chrono::duration_cast<std::chrono::nanoseconds>(left - whole).count()};
        if (::ppoll(polled_.data(), polled_.size(), &t, nullptr) <= 0)
            return;
        for (std::size_t i = 0; i < polled_.size(); ++i) {
            if (polled_[i].revents == 0)
                continue;
            if (!connections_[i].receive())
                throw std::runtime_error("the API closed a connection");
            if (const auto status = connections_[i].answer()) {
                took_.add(clock::now() - due_[i]);
                unexpected_ += status != o_.expect;
                ++answered_;
                free_.push_back(i);
            }
        }
    }

    const options& o_;
    const std::string request_;
    const std::uint64_t calls_;
    std::vector<http_connection> connections_;
    std::vector<pollfd> polled_;
    std::vector<std::size_t> free_;
    std::vector<clock::time_point> due_;
    clock::time_point began_;
    std::uint64_t sent_ = 0, answered_ = 0, unexpected_ = 0;
    bool waited_ = false; // the next one is late because every connection was taken
    latencies took_, late_;
};

} // namespace

void add_open_loop(CLI::App& app) {
    auto& c = *app.add_subcommand("open_loop", "sends one request at a fixed rate");
    auto o = std::make_shared<options>();
    c.add_option("--port", o->port)->required();
    c.add_option("--request", o->request, "file with the request, as it goes over the wire")->required();
    c.add_option("--rate", o->rate, "per second")->check(CLI::Range(0.1, 1e9));
    c.add_option("--seconds", o->seconds)->check(CLI::Range(0.01, 600.0));
    c.add_option("--calls", o->calls, "so many, instead of for so long");
    c.add_option("--connections", o->connections)->check(CLI::Range(1, 1000));
    c.add_option("--patience", o->patience, "seconds for answers after the last request was due");
    c.add_option("--expect", o->expect, "the status that is right");
    c.callback([o] { generator(*o).run(); });
}

} // namespace reprise::bench
