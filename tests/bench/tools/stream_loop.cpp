// stream_loop: the least that a queue on a stream does for an entry: XREADGROUP COUNT 1, then XACK, for so many entries at
// once over one connection. With --add, each entry is also added just before it is read.
#include "tests/bench/tools/commands.hpp"
#include "tests/bench/tools/measure.hpp"
#include "tests/bench/tools/recorded.hpp"
#include "tests/bench/tools/redis_socket.hpp"

#include <CLI/CLI.hpp>

#include <deque>
#include <iostream>
#include <memory>
#include <stdexcept>

namespace reprise::bench {
namespace {

struct options {
    std::string redis, key = "bench:queue", like;
    std::uint64_t entries = 100'000;
    std::size_t in_flight = 64;
    double seconds = 60;
    bool add = false;
};

void check(const redis::reply& r) {
    if (r.is_error())
        throw std::runtime_error(std::string(r.text()));
}

class loop {
  public:
    explicit loop(const options& o)
        : o_(o),
          redis_(o.redis),
          ids_(o.like, run_ids::fresh_origin()),
          read_(redis::command::of("XREADGROUP", "GROUP", "workers", "bench", "COUNT", "1", "STREAMS", o.key, ">")
                    .bytes()) {
        check(redis_.call("DEL", o.key));
        check(redis_.call("XGROUP", "CREATE", o.key, "workers", "0", "MKSTREAM"));
        for (std::uint64_t n = 0; !o.add && n < o.entries;) {
            std::string batch;
            const auto end = std::min(o.entries, n + 500);
            const auto size = end - n;
            for (; n < end; ++n)
                batch += added();
            redis_.send(batch);
            for (std::uint64_t i = 0; i < size; ++i)
                check(redis_.receive());
        }
    }

    void run() {
        const auto began = clock::now(),
                   until =
                       began + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(o_.seconds));
        const auto begin = [&] {
            if (begun_ == o_.entries || clock::now() >= until)
                return;
            ++begun_;
            if (o_.add)
                put(stage::add, added());
            put(stage::read, read_);
        };
        while (waiting_.size() < o_.in_flight && begun_ < o_.entries)
            begin();
        while (!waiting_.empty()) {
            redis_.send(out_);
            out_.clear();
            auto reply = std::optional(redis_.receive());
            do {
                check(*reply);
                const auto answered = waiting_.front();
                waiting_.pop_front();
                if (answered == stage::read)
                    put(stage::acknowledge,
                        redis::command::of("XACK", o_.key, "workers", (*reply)[0][1][0][0].text()).bytes());
                else if (answered == stage::acknowledge) {
                    ++done_;
                    begin();
                }
                reply = waiting_.empty() ? std::nullopt : redis_.next();
            } while (reply);
        }
        seconds_ = seconds_of(clock::now() - began);
        check(redis_.call("DEL", o_.key));
        std::cout << fmt::format(R"({{"calls":{},"seconds":{:.6f},"rate":{:.1f}}})", done_, seconds_,
                                 static_cast<double>(done_) / seconds_)
                  << std::endl;
    }

  private:
    enum class stage { add, read, acknowledge };

    std::string added() {
        return redis::command::of("XADD", o_.key, "*", "run", ids_[named_++], "epoch", "0").bytes();
    }
    void put(stage s, std::string_view bytes) {
        waiting_.push_back(s);
        out_ += bytes;
    }

    const options& o_;
    redis_socket redis_;
    const run_ids ids_;
    const std::string read_;
    std::string out_;
    std::deque<stage> waiting_;
    std::uint64_t named_ = 0, begun_ = 0, done_ = 0;
    double seconds_ = 0;
};

} // namespace

void add_stream_loop(CLI::App& app) {
    auto& c = *app.add_subcommand("stream_loop", "reads and acknowledges entries of a stream, one at a time");
    auto o = std::make_shared<options>();
    c.add_option("--redis", o->redis, "unix socket")->required();
    c.add_option("--like", o->like, "an id, for entries as long as tickets")->required();
    c.add_option("--entries", o->entries, "at most")->check(CLI::Range(1, 5'000'000));
    c.add_option("--in-flight", o->in_flight, "entries in hand at once")->check(CLI::Range(1, 4096));
    c.add_option("--seconds", o->seconds, "at most")->check(CLI::Range(0.01, 600.0));
    c.add_flag("--add", o->add, "adds each entry, too");
    c.callback([o] { loop(*o).run(); });
}

} // namespace reprise::bench
