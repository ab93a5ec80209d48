// Threads, connections and signals. Each serving thread has an io_context, an acceptor (SO_REUSEPORT), and
// connections to Redis of its own; only the blob store's pool and a few atomics are shared.
#include "api/serve.hpp"

#include "api/admin_thread.hpp"
#include "api/bulk/bulk_retry.hpp"
#include "api/http/address_book.hpp"
#include "api/http/session.hpp"
#include "api/http/turn_away.hpp"
#include "api/introduce.hpp"
#include "api/open_files.hpp"
#include "api/sampled_metrics.hpp"
#include "api/upkeep.hpp"
#include "api/watch/feed.hpp"
#include "common/log.hpp"
#include "common/metrics/process.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

namespace reprise::api {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

namespace {

constexpr auto between_tries = std::chrono::milliseconds(500);
constexpr double wrong_keys_per_second = 10;
constexpr std::int64_t wrong_keys_at_once = 100;
constexpr auto token = asio::use_awaitable;
constexpr auto first_request = std::chrono::milliseconds(1000); // of a connection that was new when the drain began

// Shared by all threads; outlives them.
struct shared_state {
    asio::thread_pool disk{2};
    asio::thread_pool documents{2}; // to be parsed: a large one must not hold up the disk
    blob_store blobs;
    std::string store_id;
    std::string durability;
    std::atomic<bool> draining = false;
    body_budget bodies;
    const unsigned most_connections; // and half as many may watch or be held
    std::atomic<unsigned> connections = 0;
    address_book addresses;
    rate_limits rates, wrong_keys;
    cross_origin origins;
    request_metrics counted;
    feed events;
    throughput pace;
    fleet workers;
    queue_levels levels;
    explicit shared_state(const api_settings& s)
        : blobs(s.common.blob_root(), disk),
          durability(s.common.durability),
          most_connections(std::min(s.most_connections, room_for_connections())),
          addresses(s.most_of_one_address),
          rates(s.requests_per_second, 2 * std::int64_t{s.requests_per_second}),
          wrong_keys(wrong_keys_per_second, wrong_keys_at_once),
          origins(s.cors_origins),
          events(counted.observed(s.common.redis_options("reprise-api")), s.common.partitions),
          pace(s.common.partitions),
          levels(s.common.partitions) {
        counted.shown().add(std::make_shared<sampled_metrics>(levels, workers, events.watched(), connections,
                                                              most_connections,
                                                              s.common.most_queued * s.common.partitions));
        counted.shown().add(std::make_shared<reprise::metrics::process>());
    }
};

void log_end(std::exception_ptr failed, const char* what) {
    if (!failed)
        return;
    try {
        std::rethrow_exception(failed);
    } catch (const boost::system::system_error& e) {
        log::debug(what, {{"why", e.what()}}); // the peer went away
    } catch (const std::exception& e) {
        log::error(what, {{"why", e.what()}});
    }
}

class serving_thread {
  public:
    serving_thread(const api_settings& settings, shared_state& shared, unsigned index)
        : settings_(settings),
          shared_(shared),
          watches_(io_, shared.events.watched(), static_cast<int>(shared.most_connections / 2),
                   [&shared] { shared.events.wanted(); }),
          redis_(io_.get_executor(),
                 shared.counted.observed(settings.common.redis_options("reprise-api-" + std::to_string(index)))),
          functions_(redis_, settings.common.partitions),
          queue_(functions_, settings.common.limits()),
          looks_(io_.get_executor(), shared.blobs),
          keys_(redis_),
          services_{redis_,
                    queue_,
                    shared.blobs,
                    looks_,
                    known_,
                    keys_,
                    shared.workers,
                    shared.disk,
                    shared.documents,
                    shared.store_id,
                    shared.durability,
                    shared.draining,
                    shared.bodies,
                    watches_,
                    static_cast<std::size_t>(settings.most_document_bytes),
                    shared.pace,
                    shared.levels,
                    shared.rates,
                    shared.wrong_keys,
                    shared.origins,
                    shared.counted},
          upkeep_(settings.common, queue_, shared.blobs, shared.pace, shared.workers, shared.levels, shared.draining),
          acceptor_(io_),
          pause_(io_) {}

    // Answers false while Redis or the blob store is away. Throws what keeps this deployment from working at all.
    bool prepare() {
        auto prepared = asio::co_spawn(io_, introduce_all(), asio::use_future);
        while (prepared.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
            io_.run_one();
        try {
            prepared.get();
        } catch (const outage& e) {
            log::warn("waiting_to_start", {{"why", e.what()}});
            return false;
        }
        return true;
    }

    // The first thread binds without SO_REUSEPORT, so that a port in use is an error; set afterwards, it lets the other
    // threads of this process join.
    tcp::endpoint listen(tcp::endpoint where, bool share) {
        acceptor_.open(where.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        if (share)
            acceptor_.set_option(reuse_port(true));
        acceptor_.bind(where);
        if (!share)
            acceptor_.set_option(reuse_port(true));
        acceptor_.listen(1024);
        return acceptor_.local_endpoint();
    }

    void start(bool sweeps) {
        asio::co_spawn(io_, accept_loop(), [](std::exception_ptr e) { log_end(e, "accept_ended"); });
        if (sweeps) {
            asio::co_spawn(io_, upkeep_.run(), [](std::exception_ptr e) { log_end(e, "sweep_ended"); });
            asio::co_spawn(io_, run_bulk_retries(services_), [](std::exception_ptr e) { log_end(e, "bulk_ended"); });
        }
        thread_ = std::thread([this] { io_.run(); });
    }

    // From another thread: no new connections; ends when the last session has, or after `grace`.
    void stop(std::chrono::seconds grace) {
        asio::post(io_, [this, grace] {
            take_what_waits();
            error_code ignored;
            acceptor_.close(ignored);
            sessions_.stop();
            watches_.close();
            asio::co_spawn(io_, finish_within(grace),
                           asio::detached); // ends the context itself; nothing to report
        });
    }

    void kill() { io_.stop(); }
    void tell_readiness_to(admin_thread& a) { a.ask(services_, io_.get_executor()); }
    watch_list& watches() { return watches_; }

    void join() {
        if (thread_.joinable())
            thread_.join();
    }

  private:
    asio::awaitable<void> introduce_all() {
        shared_.store_id = co_await introduce(functions_, shared_.blobs, settings_.common);
        co_await shared_.workers.count(redis_, settings_.common.partitions);
    }

    // Closing a listening socket resets the connections in its queue, whose callers think themselves heard.
    void take_what_waits() {
        error_code ec;
        acceptor_.non_blocking(true, ec);
        while (!ec) {
            tcp::socket socket(io_);
            acceptor_.accept(socket, ec);
            if (!ec)
                admit(std::move(socket));
        }
    }

    asio::awaitable<void> accept_loop() {
        while (acceptor_.is_open()) {
            error_code ec;
            tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(token, ec));
            if (ec) {
                if (!acceptor_.is_open())
                    co_return;
                log::warn("accept_failed", {{"why", ec.message()}}); // out of descriptors, mostly: wait for some
                pause_.expires_after(std::chrono::milliseconds(100));
                co_await pause_.async_wait(asio::redirect_error(token, ec));
                continue;
            }
            admit(std::move(socket));
        }
    }

    void admit(tcp::socket socket) {
        error_code ignored;
        const auto address = socket.remote_endpoint(ignored).address();
        const bool room = shared_.connections.load() < shared_.most_connections;
        if (!room || !shared_.addresses.enter(address)) {
            shared_.counted.turned_away();
            asio::co_spawn(io_, turn_away(std::move(socket)),
                           [](std::exception_ptr e) { log_end(e, "turned_away"); });
            return;
        }
        socket.set_option(tcp::no_delay(true), ignored);
        ++shared_.connections;
        asio::co_spawn(io_, run_session(std::move(socket), services_, sessions_),
                       [this, address](std::exception_ptr e) {
                           --shared_.connections;
                           shared_.addresses.leave(address);
                           log_end(e, "session_ended");
                       });
    }

    asio::awaitable<void> finish_within(std::chrono::seconds grace) {
        const auto now = [] { return std::chrono::steady_clock::now(); };
        const auto until = now() + grace,
                   idle_until = now() + std::min<std::chrono::milliseconds>(grace, first_request);
        asio::steady_timer timer(io_);
        while (sessions_.size() > 0 && now() < until) {
            if (now() >= idle_until)
                sessions_.end_idle();
            timer.expires_after(std::chrono::milliseconds(10));
            error_code ec;
            co_await timer.async_wait(asio::redirect_error(token, ec));
        }
        io_.stop();
    }

    const api_settings& settings_;
    shared_state& shared_;
    session_group sessions_; // before io_: what is left in io_ when it goes leaves the group then
    watch_list watches_;     // likewise
    asio::io_context io_{1};
    redis::connection redis_;
    functions functions_;
    run_queue queue_;
    gathered_looks looks_;
    known_sources known_;
    key_ring keys_;
    services services_;
    upkeep upkeep_;
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::thread thread_;
};

} // namespace

int serve(const api_settings& settings) {
    // On a context and a thread of their own: a busy serving thread must not keep a signal waiting.
    asio::io_context signals_io{1};
    asio::signal_set signals(signals_io, SIGTERM, SIGINT);
    ::signal(SIGPIPE, SIG_IGN);

    shared_state shared(settings);
    if (shared.most_connections < settings.most_connections)
        log::warn("few_open_files", {{"wanted", std::to_string(settings.most_connections)},
                                     {"connections", std::to_string(shared.most_connections)}});
    admin_thread admin(shared.counted, shared.draining); // ends after the threads, which answer its questions
    std::vector<std::unique_ptr<serving_thread>> threads;
    // What runs in the pools comes back to the threads' contexts, which must still be there, whichever way we leave.
    struct pools_end_first {
        shared_state& shared;
        ~pools_end_first() {
            shared.documents.join();
            shared.disk.join();
        }
    } const at_the_end{shared};
    signals.async_wait([&](error_code, int) {
        log::info("draining");
        shared.draining = true;
        for (auto& t : threads)
            t->stop(std::chrono::seconds(settings.drain_s));
        signals.async_wait([&](error_code ec, int) {
            for (auto& t : threads)
                if (!ec)
                    t->kill();
        });
    });
    try {
        if (const auto beside = settings.common.admin_endpoint())
            admin.start(*beside);
        for (unsigned i = 0; i < settings.threads; ++i)
            threads.push_back(std::make_unique<serving_thread>(settings, shared, i));
        while (!shared.draining && !threads.front()->prepare())
            signals_io.run_for(between_tries);
        if (shared.draining)
            return 0;
        tcp::endpoint where = settings.endpoint();
        for (auto& t : threads)
            where = t->listen(where, t != threads.front());
        log::info("serving", {{"address", where.address().to_string()}, {"port", std::to_string(where.port())}});
    } catch (const std::exception& e) {
        log::error("cannot_serve", {{"why", e.what()}});
        return configuration_error;
    }
    for (auto& t : threads)
        shared.events.add(t->watches());
    shared.events.start();
    for (auto& t : threads)
        t->start(t == threads.front());
    threads.front()->tell_readiness_to(admin);

    signals_io.restart();
    std::thread signal_thread([&] { signals_io.run(); });
    for (auto& t : threads)
        t->join();
    signals_io.stop();
    signal_thread.join();
    admin.stop();
    shared.events.stop(); // it posts to the threads' contexts
    log::info("stopped");
    return 0;
}

} // namespace reprise::api
