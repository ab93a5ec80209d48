// The worker's loops, all on one thread:
//   1. claim    takes runs for free slots (claimer.cpp)
//   2. beat     extends the leases of all runs held, and keeps the registry's entry
//   3. check    asks each second which runs are no longer ours (a cancel), and has their commands killed
//   4. sweep    requeues what dead workers left, and frees runs that waited for a tool which is here
// and one coroutine for each run (process_run.cpp).
#include "worker/worker.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "worker/admin_pages.hpp"
#include "worker/change.hpp"
#include "worker/claimer.hpp"
#include "worker/command/command.hpp"
#include "worker/lease_book.hpp"
#include "worker/process_run.hpp"
#include "worker/readiness.hpp"
#include "worker/registry.hpp"
#include "worker/scratch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

#include <iostream>

namespace reprise::worker {
namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr auto check_every = milliseconds(1000);
constexpr auto after_failure = milliseconds(500);

class worker {
  public:
    worker(const worker_settings& s, std::string id)
        : settings_(s),
          id_(std::move(id)),
          plans_(s.pipelines.empty() ? pipelines::built_in(s.toolchain)
                                     : pipelines::from_file(s.pipelines, s.toolchain)),
          scratch_(s.work_dir, id_),
          counted_(plans_.step_names(), s.concurrency),
          pages_(counted_, milliseconds(s.common.lease_ms)),
          redis_(io_.get_executor(), counted_.observed(s.common.redis_options("reprise-" + id_))),
          functions_(redis_, s.common.partitions),
          queue_(functions_, s.common.limits()),
          blobs_(s.common.blob_root(), disk_),
          deps_{queue_, blobs_, plans_, pool_, scratch_.path(), s.step_path, counted_},
          signals_(io_, SIGTERM, SIGINT, SIGTSTP),
          drain_timer_(io_),
          beat_now_(io_) {
        for (unsigned p = 0; p < s.common.partitions; ++p)
            claims_.add_partition(counted_.observed(s.common.redis_options("reprise-" + id_)));
    }

    int run() {
        if (const auto beside = settings_.common.admin_endpoint())
            admin::listener::start(io_.get_executor(), *beside, pages_);
        spawn(start(), "start");
        watch_signals();
        io_.run();
        pool_.join();
        disk_.join();
        log::info("stopped", {{"worker", id_}});
        return status_;
    }

  private:
    // What Redis refuses is logged where it happens, and the loop goes on. A loop that ends by another
    // exception has met a bug: it is said, and the process ends, to be started anew.
    void spawn(asio::awaitable<void> loop, const char* name) {
        asio::co_spawn(io_, std::move(loop), [this, name](std::exception_ptr failed) {
            if (!failed)
                return;
            try {
                std::rethrow_exception(failed);
            } catch (const std::exception& e) {
                log::error("loop_failed", {{"loop", name}, {"why", e.what()}});
            }
            status_ = configuration_error;
            io_.stop();
        });
    }

    asio::awaitable<void> start() {
        while (!wants_.draining && !co_await ready_to_work(functions_, blobs_, settings_.common))
            co_await sleep(after_failure);
        log::info(
            "working",
            {{"worker", id_}, {"slots", std::to_string(settings_.concurrency)}, {"tools", plans_.tools_here()}});
        spawn(beat_loop(), "beat");
        co_await forget_orders(redis_, id_); // those of an earlier process of this name
        spawn(repeat(check_every, "check", &worker::check), "check");
        spawn(repeat(milliseconds(settings_.common.sweep_ms), "sweep", &worker::sweep), "sweep");
        for (unsigned p = 0; p < settings_.common.partitions; ++p)
            spawn(claims_.run(p), "claim");
    }

    // --- 1. claim ---

    void take(claimed_run c, std::int64_t claim_sent) {
        const auto id = c.ticket.run;
        const auto ticket = c.ticket;
        auto held = held_.add(c.ticket, claim_sent + settings_.common.lease_ms);
        counted_.claimed(c);
        counted_.busy(held_.size());
        held->hand_back = wants_.draining; // it came while we were closing: nothing of it has been begun
        if (log::writes(log::level::debug))
            log::debug("claimed", {{"run", id}, {"epoch", std::to_string(c.ticket.epoch)}});
        asio::co_spawn(
            io_, process_run(std::move(c), std::move(held), deps_), [this, id, ticket](std::exception_ptr failed) {
                held_.remove(ticket);
                counted_.busy(held_.size());
                changed_.tell();
                try {
                    if (failed)
                        std::rethrow_exception(failed);
                } catch (const std::exception& e) {
                    log::error("run_abandoned",
                               {{"run", id}, {"why", e.what()}}); // its lease ends, and it is taken up again
                }
            });
    }

    // --- 2. beat, 3. check, 4. sweep ---

    asio::awaitable<void> beat_loop() {
        while (!over()) {
            auto next = after_failure;
            try {
                // Leases first: Redis may refuse the rest (out of memory), and yet extend these.
                for (unsigned p = 0; p < settings_.common.partitions; ++p)
                    co_await held_.beat(p, queue_, id_);
                co_await enroll(redis_, entry(), milliseconds(settings_.common.lease_ms));
                counted_.beat();
                co_await functions_.mark_in_use();
                next = milliseconds(settings_.common.beat_ms);
            } catch (const outage& e) {
                log::warn("beat_failed", {{"why", e.what()}});
            } catch (const redis::refused& e) {
                log::error("beat_refused", {{"why", e.what()}});
            }
            beat_now_.expires_after(next);
            error_code ec;
            co_await beat_now_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
    }

    worker_entry entry() const {
        worker_entry e;
        e.id = id_;
        e.state = wants_.draining ? "draining" : wants_.quiet ? "quiet" : "running";
        e.tools = plans_.tools_here();
        e.modes = plans_.modes();
        e.runs = held_.text();
        e.started = started_;
        e.slots = settings_.concurrency;
        e.busy = held_.size();
        return e;
    }

    asio::awaitable<void> repeat(milliseconds every, std::string name, asio::awaitable<void> (worker::*turn)()) {
        while (!over()) {
            co_await sleep(every);
            try {
                co_await (this->*turn)();
            } catch (const outage& e) {
                log::debug(name + "_failed", {{"why", e.what()}}); // the beat tells, and acts
            } catch (const redis::refused& e) {
                log::error(name + "_refused", {{"why", e.what()}});
            }
        }
    }

    asio::awaitable<void> check() {
        for (unsigned p = 0; p < settings_.common.partitions; ++p)
            co_await held_.check(p, queue_);
        obey(co_await take_order(redis_, id_));
    }

    asio::awaitable<void> sweep() {
        for (unsigned p = 0; p < settings_.common.partitions; ++p)
            co_await queue_.sweep(p, id_, tools_to_offer());
    }

    // Runs that wait for a tool are freed only for somebody who can take them now.
    std::string tools_to_offer() const {
        if (held_.size() >= settings_.concurrency || wants_.quiet || wants_.draining)
            return {};
        return plans_.tools_here();
    }

    // --- ending ---

    // From outside, as by signals; the registry says at once what came of it.
    void obey(const std::string& order) {
        if (order.empty())
            return;
        log::info("ordered", {{"worker", id_}, {"order", order}});
        if (order == "quiet" || order == "resume")
            set_quiet(order == "quiet");
        else if ((order == "drain" || order == "stop") && !wants_.draining)
            drain();
        if (order == "stop")
            held_.hand_back_all();
        beat_now_.cancel();
    }

    void set_quiet(bool quiet) {
        if (std::exchange(wants_.quiet, quiet) == quiet || wants_.draining)
            return;
        log::info(quiet ? "quiet" : "resumed", {{"worker", id_}});
        changed_.tell();
    }

    void watch_signals() {
        signals_.async_wait([this](error_code ec, int signal) {
            if (ec)
                return;
            if (signal == SIGTSTP) {
                set_quiet(true);
            } else if (!wants_.draining) {
                drain();
            } else {
                held_.hand_back_all();
            }
            watch_signals();
        });
    }

    void drain() {
        wants_.draining = true;
        log::info("draining", {{"worker", id_}, {"runs", std::to_string(held_.size())}});
        changed_.tell();
        claims_.close_bells();
        drain_timer_.expires_after(std::chrono::seconds(settings_.drain_s));
        drain_timer_.async_wait([this](error_code ec) {
            if (!ec)
                held_.hand_back_all();
        });
        spawn(end_when_idle(), "end");
    }

    asio::awaitable<void> end_when_idle() {
        while (!held_.empty() || claims_.may_still_take())
            co_await changed_.wait();
        try {
            co_await sign_off(redis_, id_);
            for (unsigned p = 0; p < settings_.common.partitions; ++p)
                co_await queue_.leave(p, id_);
        } catch (const outage& e) {
            log::warn("sign_off_failed", {{"why", e.what()}}); // the entry expires by itself
        }
        io_.stop();
    }

    bool over() const { return wants_.draining && held_.empty(); }

    asio::awaitable<void> sleep(milliseconds d) {
        asio::steady_timer timer(io_, d);
        error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }

    const worker_settings& settings_;
    const std::string id_;
    const pipelines plans_;
    const scratch scratch_;
    asio::thread_pool pool_{2}; // digests, documents, archives
    asio::thread_pool disk_{2}; // the blob store: what computes must not keep it waiting
    worker_metrics counted_;
    admin_pages pages_;
    lease_book held_{counted_}; // before io_: what is left in io_ refers to it
    asio::io_context io_{1};
    redis::connection redis_;
    functions functions_;
    run_queue queue_;
    blob_store blobs_;
    work_deps deps_;
    asio::signal_set signals_;
    asio::steady_timer drain_timer_, beat_now_;
    const unix_ms started_ = wall_clock();
    change changed_{io_};
    intent wants_;
    claimer claims_{{io_, queue_, held_, changed_, wants_},
                    id_,
                    settings_.concurrency,
                    [this](claimed_run c, std::int64_t sent) { take(std::move(c), sent); }};
    int status_ = 0;
};

} // namespace

int work(const worker_settings& settings) {
    auto id = settings.name;
    if (id.empty())
        id = host_name().substr(0, 40) + "-" + std::to_string(::getpid()) + "-" + random_base32(4);
    try {
        return worker(settings, id).run();
    } catch (const std::invalid_argument& e) {
        std::cerr << "reprise-worker: " << e.what() << "\n";
    } catch (const boost::system::system_error& e) {
        std::cerr << "reprise-worker: cannot serve on REPRISE_ADMIN_LISTEN: " << e.what() << "\n";
    }
    return configuration_error;
}

} // namespace reprise::worker
