// fill: ended runs, as many as asked for, by sending again what a program and a worker sent for one: its accept, the claim,
// and all that was said of it until its end.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/http_client.hpp"
#include "tests/bench/tools/measure.hpp"
#include "tests/bench/tools/recorded.hpp"
#include "tests/bench/tools/redis_socket.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>
#include <stdexcept>

namespace reprise::bench {
namespace {

// Runs in hand at once: few enough to end before their leases do.
constexpr std::uint64_t chunk = 2000;
constexpr std::uint64_t batch = 64;

struct options {
    std::string redis, accept, claim, life, id, queued = "reprise:{p0}:queued";
    std::uint64_t runs = 1000;
};

class filler {
  public:
    explicit filler(const options& o)
        : o_(o),
          redis_(o.redis),
          ids_(o.id, run_ids::fresh_origin()),
          accept_(recorded::from_file(o.accept, o.id)),
          life_(recorded::from_file(o.life, o.id)),
          claim_(read_file(o.claim)) {}

    void run() {
        clock::duration rest{};
        for (std::uint64_t from = 0; from < o_.runs; from += chunk) {
            const auto to = std::min(o_.runs, from + chunk);
            for_all(accept_, from, to);
            const auto began = clock::now();
            claim_all();
            for_all(life_, from, to);
            rest += clock::now() - began;
        }
        std::cout << fmt::format(R"({{"runs":{},"claimToEnd":{:.6f}}})", o_.runs, seconds_of(rest)) << std::endl;
    }

  private:
    void for_all(const recorded& what, std::uint64_t from, std::uint64_t to) {
        while (from < to) {
            const auto end = std::min(to, from + batch);
            std::string bytes;
            for (auto n = from; n < end; ++n)
                what.append_to(bytes, ids_[n]);
            redis_.send(bytes);
            for (auto n = (end - from) * what.replies(); n-- > 0;)
                check(redis_.receive());
            from = end;
        }
    }

    void claim_all() {
        for (int i = 0; redis_.call("ZCARD", o_.queued).number() > 0; ++i) {
            if (i > 10 * static_cast<int>(chunk))
                throw std::runtime_error("the recorded claim takes no runs");
            redis_.send(claim_);
            check(redis_.receive());
        }
    }

    static void check(const redis::reply& r) {
        if (r.is_error())
            throw std::runtime_error(std::string(r.text()));
    }

    const options& o_;
    redis_socket redis_;
    const run_ids ids_;
    const recorded accept_, life_;
    const std::string claim_;
};

} // namespace

void add_fill(CLI::App& app) {
    auto& c = *app.add_subcommand("fill", "makes ended runs; none may be queued");
    auto o = std::make_shared<options>();
    c.add_option("--redis", o->redis, "unix socket")->required();
    c.add_option("--accept", o->accept, "file")->required();
    c.add_option("--claim", o->claim, "file")->required();
    c.add_option("--life", o->life, "file")->required();
    c.add_option("--id", o->id, "the recorded run")->required();
    c.add_option("--runs", o->runs)->check(CLI::Range(1, 10'000'000));
    c.callback([o] { filler(*o).run(); });
}

} // namespace reprise::bench
