// Threads, connections and signals. Each serving thread has an io_context, an acceptor (SO_REUSEPORT), and
// connections to Redis of its own; only the blob store's pool and a few atomics are shared.
#include "api/serve.hpp"

#include "api/http/session.hpp"
#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"

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

#include <atomic>
#include <future>
#include <thread>

namespace reprise::api {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

namespace {

constexpr int configuration_error = 78; // EX_CONFIG
constexpr auto token = asio::use_awaitable;

// Shared by all threads; outlives them.
struct shared_state {
    asio::thread_pool disk{2};
    asio::thread_pool documents{2}; // to be parsed: a large one must not hold up the disk
    blob_store blobs;
    std::string store_id;
    std::string durability;
    std::atomic<bool> draining = false;
    std::atomic<std::size_t> body_bytes = 0;
    std::atomic<unsigned> connections = 0;
    explicit shared_state(const api_settings& s) : blobs(s.common.blob_root(), disk), durability(s.durability) {}
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

// A word to the client whom there is no room for; bounded by the size of the answer, which the socket's buffer
// takes.
asio::awaitable<void> turn_away(tcp::socket socket) {
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: "
        "close\r\n"
        "Content-Length: 72\r\n\r\n"
        R"({"error":"overloaded","message":"too many connections; try again later"})";
    error_code ignored;
    co_await asio::async_write(socket, asio::buffer(answer), asio::redirect_error(token, ignored));
    socket.shutdown(tcp::socket::shutdown_send, ignored);
}

class serving_thread {
  public:
    serving_thread(const api_settings& settings, shared_state& shared, unsigned index)
        : settings_(settings),
          shared_(shared),
          redis_(io_.get_executor(), settings.common.redis_options("reprise-api-" + std::to_string(index))),
          functions_(redis_, settings.common.partitions),
          queue_(functions_, settings.common.limits()),
          keys_(redis_),
          workers_(redis_),
          services_{
              redis_,           queue_,          shared.blobs,      keys_,           workers_,         shared.disk,
              shared.documents, shared.store_id, shared.durability, shared.draining, shared.body_bytes},
          acceptor_(io_),
          pause_(io_) {}

    // Throws what keeps this deployment from working at all.
    void prepare() {
        auto prepared = asio::co_spawn(io_, introduce(), asio::use_future);
        while (prepared.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
            io_.run_one();
        prepared.get();
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
        if (sweeps)
            asio::co_spawn(io_, sweep_loop(), [](std::exception_ptr e) { log_end(e, "sweep_ended"); });
        thread_ = std::thread([this] { io_.run(); });
    }

    // From another thread: no new connections; ends when the last session has, or after `grace`.
    void stop(std::chrono::seconds grace) {
        asio::post(io_, [this, grace] {
            error_code ignored;
            acceptor_.close(ignored);
            sessions_.stop();
            asio::co_spawn(io_, finish_within(grace),
                           asio::detached); // ends the context itself; nothing to report
        });
    }

    void kill() { io_.stop(); }

    void join() {
        if (thread_.joinable())
            thread_.join();
    }

  private:
    asio::awaitable<void> introduce() {
        co_await functions_.install();
        const auto partitions = std::to_string(settings_.common.partitions);
        co_await redis_.call(redis::command::of("HSETNX", keys::meta, "schema", keys::schema));
        co_await redis_.call(redis::command::of("HSETNX", keys::meta, "partitions", partitions));
        const auto agreed_partitions = co_await redis_.call(redis::command::of("HGET", keys::meta, "partitions"));
        if (agreed_partitions.text() != partitions)
            throw std::runtime_error("REPRISE_PARTITIONS is " + partitions + ", and Redis has " +
                                     std::string(agreed_partitions.text()));
        const auto known = co_await redis_.call(redis::command::of("HGET", keys::meta, "store"));
        // A store that Redis knows must be there; only the first process of all may make one.
        const auto id = co_await shared_.blobs.identify(random_base32(26), known.is_nil());
        co_await redis_.call(redis::command::of("HSETNX", keys::meta, "store", id));
        const auto agreed = co_await redis_.call(redis::command::of("HGET", keys::meta, "store"));
        if (agreed.text() != id)
            throw std::runtime_error("REPRISE_BLOBS is not the blob store that this Redis belongs to");
        shared_.store_id = id;
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
            if (shared_.connections.load() >= settings_.most_connections) {
                asio::co_spawn(io_, turn_away(std::move(socket)),
                               [](std::exception_ptr e) { log_end(e, "turned_away"); });
                continue;
            }
            socket.set_option(tcp::no_delay(true), ec);
            ++shared_.connections;
            asio::co_spawn(io_, run_session(std::move(socket), services_, sessions_),
                           [&count = shared_.connections](std::exception_ptr e) {
                               --count;
                               log_end(e, "session_ended");
                           });
        }
    }

    // What time alone must bring about moves on even when no worker runs.
    asio::awaitable<void> sweep_loop() {
        asio::steady_timer timer(io_);
        auto strays_due = std::chrono::steady_clock::now();
        while (!shared_.draining) {
            timer.expires_after(std::chrono::milliseconds(settings_.common.sweep_ms));
            error_code ec;
            co_await timer.async_wait(asio::redirect_error(token, ec));
            if (ec)
                co_return;
            try {
                for (unsigned p = 0; p < settings_.common.partitions; ++p) {
                    co_await queue_.sweep(p, "api", "");
                    co_await drop_blobs(p);
                }
                if (std::chrono::steady_clock::now() >= strays_due) {
                    strays_due = std::chrono::steady_clock::now() + std::chrono::minutes(1);
                    co_await drop_strays();
                }
            } catch (const std::exception& e) {
                log::warn("sweep_failed", {{"why", e.what()}});
            }
        }
    }

    asio::awaitable<void> drop_blobs(unsigned partition) {
        const auto due =
            co_await redis_.call(redis::command::of("ZRANGE", keys::retained(partition), "-inf",
                                                    std::to_string(wall_clock()), "BYSCORE", "LIMIT", "0", "50"));
        for (std::size_t i = 0; i < due.size(); ++i) {
            const std::string member(due[i].text());
            const auto slash = member.find('/');
            co_await drop_blob(partition, blob_id(member.substr(0, slash), member.substr(slash + 1)));
        }
    }

    // Files that Redis knows nothing of: a put that never came to an accept, a drop that was cut short.
    asio::awaitable<void> drop_strays() {
        const auto old = co_await shared_.blobs.old_files(std::chrono::hours(24));
        for (const auto& b : old) {
            const auto partition = co_await redis_.call(redis::command::of("HGET", keys::orgs, b.org));
            if (!partition.is_nil())
                co_await drop_blob(static_cast<unsigned>(partition.number()), b);
        }
    }

    // One blob that cannot be dropped now must not keep the others.
    asio::awaitable<void> drop_blob(unsigned partition, blob_id b) {
        try {
            const auto due = [this, partition, &b] { return queue_.drop_if_due(partition, b.org, b.sha256); };
            co_await shared_.blobs.drop(b, due);
        } catch (const outage& e) {
            log::warn("blob_stays", {{"org", b.org}, {"blob", b.sha256}, {"why", e.what()}});
        }
    }

    asio::awaitable<void> finish_within(std::chrono::seconds grace) {
        const auto until = std::chrono::steady_clock::now() + grace;
        asio::steady_timer timer(io_);
        while (sessions_.size() > 0 && std::chrono::steady_clock::now() < until) {
            timer.expires_after(std::chrono::milliseconds(10));
            error_code ec;
            co_await timer.async_wait(asio::redirect_error(token, ec));
        }
        io_.stop();
    }

    const api_settings& settings_;
    shared_state& shared_;
    session_group sessions_; // before io_: what is left in io_ when it goes leaves the group then
    asio::io_context io_{1};
    redis::connection redis_;
    functions functions_;
    run_queue queue_;
    key_ring keys_;
    fleet workers_;
    services services_;
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
    std::vector<std::unique_ptr<serving_thread>> threads;
    try {
        for (unsigned i = 0; i < settings.threads; ++i)
            threads.push_back(std::make_unique<serving_thread>(settings, shared, i));
        threads.front()->prepare();
        tcp::endpoint where(asio::ip::make_address(settings.host()), settings.port());
        for (auto& t : threads)
            where = t->listen(where, t != threads.front());
        log::info("serving", {{"address", settings.host()}, {"port", std::to_string(where.port())}});
    } catch (const std::exception& e) {
        log::error("cannot_serve", {{"why", e.what()}});
        return configuration_error;
    }
    for (auto& t : threads)
        t->start(t == threads.front());

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
    std::thread signal_thread([&] { signals_io.run(); });
    for (auto& t : threads)
        t->join();
    signals_io.stop();
    signal_thread.join();
    shared.documents.join();
    shared.disk.join(); // what runs there comes back to the threads' contexts, which must still be there
    threads.clear();
    log::info("stopped");
    return 0;
}

} // namespace reprise::api
