#include "api/doctor.hpp"

#include "common/async/on_pool.hpp"
#include "common/blob/blob_store.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/queue/run_queue.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <map>
#include <set>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::size_t looked_at_together = 100; // per call: the rest of the system works on in between

struct finding {
    std::string kind, subject, detail;
    bool repaired = false;
};

class doctor {
  public:
    doctor(const api_settings& settings, const doctor_order& order)
        : order_(order),
          limits_(settings.common.limits()),
          redis_(io_.get_executor(), settings.common.redis_options("reprise-doctor")),
          library_(redis_, settings.common.partitions),
          blobs_(settings.common.blob_root(), disk_) {}

    int run() {
        int status = 2;
        asio::co_spawn(io_, look(), [&](std::exception_ptr failed) {
            io_.stop();
            try {
                if (failed)
                    std::rethrow_exception(failed);
                status = report();
            } catch (const std::exception& e) {
                std::cerr << "reprise-api: " << e.what() << "\n";
            }
        });
        io_.run();
        disk_.join();
        return status;
    }

  private:
    asio::awaitable<void> look() {
        co_await look_at_meta();
        co_await library_.install();
        for (unsigned p = 0; p < library_.partitions(); ++p)
            co_await look_at_partition(p);
    }

    asio::awaitable<void> look_at_meta() {
        const auto meta_reply = co_await redis_.call(redis::command::of("HGETALL", keys::meta));
        const record meta(meta_reply.view());
        if (meta.text("schema") != keys::schema || meta.number("partitions") != library_.partitions())
            add("meta_differs", std::string(keys::meta),
                fmt::format("schema {}, partitions {}", meta.text("schema"), meta.text("partitions")));
        co_await blobs_.check(std::string(meta.text("store")));
    }

    asio::awaitable<void> look_at_partition(unsigned p) {
        const auto before = co_await endings(p);
        counted_.clear();
        std::set<std::string> indexes; // zsets of run ids, without the prefix
        co_await look_at_keys(p, indexes);
        for (const auto* zset : {"queued", "leases", "delayed", "blocked", "ended"})
            co_await look_at_members(p, zset);
        for (const auto& index : indexes)
            co_await look_at_index(p, index);
        for (const auto stream : {keys::again_stream, keys::default_stream})
            co_await look_at_pending(p, std::string(stream));
        co_await recount(p, before);
    }

    asio::awaitable<std::string> endings(unsigned p) {
        const auto r = co_await library_.read("endings", p, {});
        co_return std::string(r.text());
    }

    // Every run's hash, and the names of the indexes that may lead to runs that are no more.
    asio::awaitable<void> look_at_keys(unsigned p, std::set<std::string>& indexes) {
        const auto prefix = keys::prefix(p);
        std::string cursor = "0";
        std::vector<std::string> runs;
        std::set<std::string> seen; // SCAN may name a key twice while the table of keys grows
        do {
            const auto r = co_await redis_.call(
                redis::command::of("SCAN", cursor, "MATCH", prefix + "[rd][ue]*", "COUNT", "1000"));
            cursor = r[0].text();
            for (std::size_t i = 0; i < r[1].size(); ++i) {
                const auto name = r[1][i].text().substr(prefix.size());
                if (name.starts_with("runs:") || name.starts_with("retries:") || name.starts_with("dead:"))
                    indexes.emplace(name);
                else if (name.starts_with("run:") && seen.emplace(name.substr(4)).second)
                    runs.emplace_back(name.substr(4));
            }
            co_await look_at_runs(p, runs, "");
            progress();
        } while (cursor != "0");
    }

    // Runs that were found as hashes, or (with its name) as members of a state's zset.
    asio::awaitable<void> look_at_runs(unsigned p, std::vector<std::string>& runs, std::string zset) {
        for (std::size_t first = 0; first < runs.size(); first += looked_at_together) {
            const auto last = std::min(runs.size(), first + looked_at_together);
            auto args = order_words();
            args.push_back(std::to_string(limits_.hold().count()));
            args.insert(args.end(), runs.begin() + static_cast<std::ptrdiff_t>(first),
                        runs.begin() + static_cast<std::ptrdiff_t>(last));
            const auto r = co_await library_.call("examine", p, args);
            for (std::size_t i = 1; i < r.size(); ++i)
                co_await note_run(r[i], zset);
        }
        runs.clear();
    }

    asio::awaitable<void> note_run(redis::reply_view r, const std::string& zset) {
        const std::string run(r[0].text()), org(r[2].text());
        for (std::size_t i = 4; i < r.size(); ++i) {
            // All else was said when the run's hash was looked at.
            if (!zset.empty() && (r[i][0].text() != "entry_without_run" || r[i][1].text() != zset))
                continue;
            add(std::string(r[i][0].text()), run, std::string(r[i][1].text()), r[i][2].number() == 1);
        }
        if (!zset.empty())
            co_return;
        ++runs_;
        if (const auto status = r[1].text(); !status.empty())
            ++counted_[std::string(status)];
        auto shas = r[3].text();
        while (!shas.empty()) {
            const auto sha = shas.substr(0, shas.find(' '));
            shas.remove_prefix(std::min(shas.size(), sha.size() + 1));
            if (!sha.empty() && looked_at_.emplace(org + "/" + std::string(sha)).second)
                co_await look_at_blob(run, blob_id(org, std::string(sha)));
        }
    }

    asio::awaitable<void> look_at_blob(std::string run, blob_id b) {
        auto blob = co_await blobs_.open(b);
        if (!blob || blob->size() == 0) {
            add(blob ? "blob_corrupt" : "blob_missing", run, b.org + "/" + b.sha256);
            co_return;
        }
        if (!order_.digests)
            co_return;
        auto digest = [&] {
            sha256 sum;
            for (std::uint64_t at = 0; at < blob->size();) {
                const auto piece = blob->read(at, 1 << 20);
                sum.update(piece);
                at += piece.size();
            }
            return sum.hex();
        };
        const auto found = co_await on_pool(disk_, std::move(digest));
        if (found != b.sha256)
            add("blob_corrupt", run, b.org + "/" + b.sha256);
    }

    // The members of a state's zset: a run without a hash is not met by going through the hashes.
    asio::awaitable<void> look_at_members(unsigned p, std::string zset) {
        std::string cursor = "0";
        do {
            auto page = co_await members(p, zset, cursor);
            co_await look_at_runs(p, page, zset);
        } while (cursor != "0");
    }

    asio::awaitable<void> look_at_index(unsigned p, std::string index) {
        std::string cursor = "0";
        do {
            const auto page = co_await members(p, index, cursor);
            auto args = order_words();
            args.push_back(index);
            args.insert(args.end(), page.begin(), page.end());
            const auto r = co_await library_.call("examine_index", p, args);
            for (std::size_t i = 1; i < r.size(); ++i)
                add("entry_without_run", std::string(r[i].text()), index, order_.repair);
        } while (cursor != "0");
    }

    asio::awaitable<std::vector<std::string>> members(unsigned p, const std::string& zset, std::string& cursor) {
        const auto r =
            co_await redis_.call(redis::command::of("ZSCAN", keys::prefix(p) + zset, cursor, "COUNT", "100"));
        cursor = r[0].text();
        std::vector<std::string> out;
        for (std::size_t i = 0; i + 1 < r[1].size(); i += 2)
            out.emplace_back(r[1][i].text());
        co_return out;
    }

    asio::awaitable<void> look_at_pending(unsigned p, std::string stream) {
        std::string after = "-";
        for (;;) {
            const auto page = co_await redis_.call(
                redis::command::of("XPENDING", keys::queue(p, stream), keys::group, after, "+", "100"));
            if (page.size() == 0)
                co_return;
            auto args = order_words();
            args.push_back(stream);
            for (std::size_t i = 0; i < page.size(); ++i)
                args.emplace_back(page[i][0].text());
            after = "(" + args.back();
            const auto r = co_await library_.call("examine_pending", p, args);
            for (std::size_t i = 1; i < r.size(); ++i)
                add("pending_without_run", std::string(r[i].text()), stream, order_.repair);
        }
    }

    asio::awaitable<void> recount(unsigned p, const std::string& before) {
        auto args = order_words();
        args.push_back(fmt::format("{} {}", keys::again_stream, keys::default_stream));
        args.push_back(before);
        for (const auto* status : {"complete", "ready", "failed", "expired", "canceled"}) {
            args.emplace_back(status);
            args.push_back(std::to_string(counted_[status]));
        }
        const auto r = co_await library_.call("recount", p, args);
        if (r[1].number() == 0)
            notes_.push_back("runs began or ended meanwhile: the counters of ended runs were not compared");
        for (std::size_t i = 2; i < r.size(); ++i)
            add("counter_wrong", keys::prefix(p) + "stats",
                fmt::format("{} says {}, is {}", r[i][0].text(), r[i][1].text(), r[i][2].text()), order_.repair);
    }

    std::vector<std::string> order_words() const { return std::vector<std::string>(1, order_.repair ? "1" : ""); }

    void add(std::string kind, std::string subject, std::string detail, bool repaired = false) {
        left_ += repaired ? 0 : 1;
        if (findings_.size() < most_listed)
            findings_.push_back({std::move(kind), std::move(subject), std::move(detail), repaired});
        else
            ++not_listed_;
    }

    void progress() const {
        if (!order_.json && ::isatty(STDERR_FILENO))
            std::cerr << "\rlooked at " << runs_ << " runs, " << looked_at_.size() << " blobs" << std::flush;
    }

    int report() const {
        if (order_.json) {
            json::writer w;
            w.begin_object().key("ok").boolean(left_ == 0);
            w.member("runs", runs_).member("blobs", static_cast<std::int64_t>(looked_at_.size()));
            w.key("findings").begin_array();
            for (const auto& f : findings_) {
                w.begin_object().member("kind", f.kind).member("subject", f.subject).member("detail", f.detail);
                w.key("repaired").boolean(f.repaired).end_object();
            }
            w.end_array().member("notListed", not_listed_).key("notes").begin_array();
            for (const auto& n : notes_)
                w.string(n);
            std::cout << w.end_array().end_object().text() << "\n";
            return left_ == 0 ? 0 : 1;
        }
        if (::isatty(STDERR_FILENO))
            std::cerr << "\n";
        for (const auto& f : findings_)
            std::cout << fmt::format("{:<20} {:<40} {}{}\n", f.kind, f.subject, f.detail,
                                     f.repaired ? "  (repaired)" : "");
        if (not_listed_ > 0)
            std::cout << "... and " << not_listed_ << " more\n";
        for (const auto& n : notes_)
            std::cout << "note: " << n << "\n";
        const auto all = static_cast<std::int64_t>(findings_.size()) + not_listed_;
        std::cout << runs_ << " runs, " << looked_at_.size() << " blobs: "
                  << (all == 0 ? "nothing is wrong" : fmt::format("{} findings, {} repaired", all, all - left_))
                  << "\n";
        if (left_ > 0 && !order_.repair)
            std::cout << "`doctor --repair` puts right what follows from the runs themselves\n";
        return left_ == 0 ? 0 : 1;
    }

    static constexpr std::size_t most_listed = 1000;

    const doctor_order order_;
    const queue_limits limits_;
    asio::thread_pool disk_{1};
    asio::io_context io_{1};
    redis::connection redis_;
    functions library_;
    blob_store blobs_;
    std::map<std::string, std::int64_t> counted_; // runs by status, of one partition
    std::set<std::string> looked_at_;             // blobs: org/sha256
    std::vector<finding> findings_;
    std::vector<std::string> notes_;
    std::int64_t runs_ = 0, left_ = 0, not_listed_ = 0;
};

} // namespace

int examine(const api_settings& settings, const doctor_order& order) {
    return doctor(settings, order).run();
}

} // namespace reprise::api
