#include "common/redis/connection.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <deque>

namespace reprise::redis {
namespace asio = boost::asio;
using boost::system::error_code;
using clock = std::chrono::steady_clock;
using socket_type = asio::generic::stream_protocol::socket;

namespace {

// Commands are written at the end of a turn of the loop, or as soon as this many are waiting: Redis then works on the
// first while we still make the last.
constexpr std::size_t flush_at = 16;
constexpr std::chrono::milliseconds first_backoff{50}, longest_backoff{2000};

bool serves_no_one(std::string_view line) {
    for (const std::string_view prefix : {"LOADING", "READONLY", "MASTERDOWN", "OOM", "MISCONF", "BUSY ", "CLUSTERDOWN",
                                          "NOREPLICAS", "UNBLOCKED", "TRYAGAIN"})
        if (line.starts_with(prefix))
            return true;
    return false;
}

} // namespace

class connection::link : public std::enable_shared_from_this<connection::link> {
  public:
    using handler = asio::any_completion_handler<void(std::exception_ptr, reply)>;

    link(asio::any_io_executor ex, options o)
        : options_(std::move(o)), socket_(ex), resolver_(ex), deadline_(ex), retry_(ex) {}

    void start() { open(); }

    void submit(command c, handler h) {
        if (closed_ || in_flight_.size() + waiting_.size() >= options_.most_waiting) {
            complete(std::move(h), closed_ ? "the connection is closed" : "too many calls are waiting", false);
            return;
        }
        const auto due = clock::now() + options_.reply_timeout;
        if (!ready_) {
            waiting_.push_back({c.bytes(), std::move(h), due});
        } else {
            outgoing_ += c.bytes();
            in_flight_.push_back({std::move(h), due});
            flush_soon();
        }
        watch_deadline();
    }

    void close() {
        if (closed_)
            return;
        closed_ = true;
        retry_.cancel();
        resolver_.cancel();
        fail("the connection is closed");
        deadline_.cancel();
    }

    bool ready() const { return ready_; }
    std::uint64_t reconnects() const { return reconnects_; }

  private:
    struct sent_call {
        handler done;
        clock::time_point due;
    };
    struct unsent_call {
        std::string bytes;
        handler done;
        clock::time_point due;
    };

    // Completions are posted: a coroutine that goes on inside our own read loop could call back into it.
    void complete(handler h, const std::string& why, bool sent) {
        asio::post(socket_.get_executor(), [h = std::move(h), why, sent]() mutable {
            std::move(h)(std::make_exception_ptr(unavailable(why, sent)), reply());
        });
    }

    // --- connecting ---

    void open() {
        if (closed_)
            return;
        connecting_until_ = clock::now() + options_.connect_timeout;
        watch_deadline();
        if (options_.where.host.empty()) {
            connect_to(asio::local::stream_protocol::endpoint(options_.where.path));
            return;
        }
        resolver_.async_resolve(options_.where.host, options_.where.port,
                                [self = shared_from_this(), turn = turn_](error_code ec, auto found) {
                                    if (turn != self->turn_ || self->closed_)
                                        return;
                                    if (ec)
                                        self->fail("cannot resolve the host of Redis: " + ec.message());
                                    else
                                        self->connect_to(found.begin()->endpoint());
                                });
    }

    template <class Endpoint>
    void connect_to(const Endpoint& where) {
        socket_.async_connect(where, [self = shared_from_this(), turn = turn_](error_code ec) {
            if (turn != self->turn_ || self->closed_)
                return;
            if (ec)
                self->fail("cannot connect: " + ec.message());
            else
                self->greet();
        });
    }

    // AUTH, SELECT and SETNAME come before anything else on every new connection.
    void greet() {
        if (!options_.where.host.empty()) {
            error_code ignored;
            socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
        }
        reader_ = std::make_unique<reply_reader>();
        const auto& w = options_.where;
        if (!w.password.empty())
            greeting(w.user.empty() ? command::of("AUTH", w.password) : command::of("AUTH", w.user, w.password));
        if (w.database != 0)
            greeting(command::of("SELECT", std::to_string(w.database)));
        greeting(command::of("CLIENT", "SETNAME", options_.name));
        // The greeting's last reply opens the gate, so that LOADING or a wrong password fails no call of anyone's.
        greeting(command::of("PING"), true);
        flush();
        read_some();
    }

    void greeting(const command& c, bool last = false) {
        outgoing_ += c.bytes();
        in_flight_.push_back({[self = shared_from_this(), last, turn = turn_](std::exception_ptr failed, reply) {
                                  if (turn != self->turn_ || self->closed_)
                                      return;
                                  if (failed)
                                      self->fail("Redis refused the greeting: " + describe(failed));
                                  else if (last)
                                      self->open_gate();
                              },
                              connecting_until_});
    }

    static std::string describe(const std::exception_ptr& failed) {
        try {
            std::rethrow_exception(failed);
        } catch (const std::exception& e) {
            return e.what();
        }
    }

    void open_gate() {
        ready_ = true;
        connecting_until_ = clock::time_point::max();
        backoff_ = first_backoff;
        if (reconnects_ > 0 || failed_before_)
            log::info("redis_connected", {{"redis", options_.where.shown()}, {"connection", options_.name}});
        failed_before_ = false;
        for (auto& call : waiting_) {
            outgoing_ += call.bytes;
            in_flight_.push_back({std::move(call.done), call.due});
        }
        waiting_.clear();
        flush();
    }

    // --- reading and writing ---

    void flush_soon() {
        if (++unflushed_ >= flush_at) {
            flush();
        } else if (!flush_posted_) {
            flush_posted_ = true;
            asio::post(socket_.get_executor(), [self = shared_from_this()] {
                self->flush_posted_ = false;
                self->flush();
            });
        }
    }

    void flush() {
        if (writing_ || outgoing_.empty() || closed_)
            return;
        unflushed_ = 0;
        writing_ = true;
        on_the_wire_.clear();
        std::swap(on_the_wire_, outgoing_);
        asio::async_write(socket_, asio::buffer(on_the_wire_),
                          [self = shared_from_this(), turn = turn_](error_code ec, std::size_t) {
                              if (turn != self->turn_ || self->closed_)
                                  return;
                              self->writing_ = false;
                              if (ec)
                                  self->fail("cannot write: " + ec.message());
                              else
                                  self->flush();
                          });
    }

    void read_some() {
        socket_.async_read_some(asio::buffer(incoming_),
                                [self = shared_from_this(), turn = turn_](error_code ec, std::size_t size) {
                                    if (turn != self->turn_ || self->closed_)
                                        return;
                                    if (ec)
                                        self->fail("the connection broke: " + ec.message());
                                    else
                                        self->received(size, turn);
                                });
    }

    void received(std::size_t size, std::uint64_t turn) {
        try {
            reader_->feed({incoming_.data(), size});
            while (auto next = reader_->next()) {
                if (in_flight_.empty())
                    throw protocol_error("Redis sent a reply to nothing");
                auto done = std::move(in_flight_.front().done);
                in_flight_.pop_front();
                deliver(std::move(done), std::move(*next));
                if (turn != turn_ || closed_)
                    return; // delivering a greeting's reply may have ended this connection
            }
        } catch (const protocol_error& e) {
            fail(e.what());
            return;
        }
        read_some();
    }

    void deliver(handler done, reply r) {
        std::exception_ptr failed;
        if (r.is_error()) {
            if (serves_no_one(r.text()))
                failed = std::make_exception_ptr(unavailable(std::string(r.text()), false));
            else
                failed = std::make_exception_ptr(refused(r.text()));
            // The role of the server changed under us: the address may lead elsewhere now.
            if (r.text().starts_with("READONLY") || r.text().starts_with("UNBLOCKED"))
                asio::post(socket_.get_executor(), [self = shared_from_this(), turn = turn_] {
                    if (turn == self->turn_ && !self->closed_)
                        self->fail("Redis is read-only");
                });
        }
        std::move(done)(failed, std::move(r));
    }

    // --- deadlines and failure ---

    clock::time_point next_due() const {
        auto due = connecting_until_;
        if (!in_flight_.empty())
            due = std::min(due, in_flight_.front().due);
        if (!waiting_.empty())
            due = std::min(due, waiting_.front().due);
        return due;
    }

    void watch_deadline() {
        const auto due = next_due();
        if (closed_ || due == clock::time_point::max() || due >= watched_)
            return;
        watched_ = due;
        deadline_.expires_at(due);
        deadline_.async_wait([self = shared_from_this()](error_code ec) {
            if (ec || self->closed_)
                return; // set anew for an earlier time, or closed
            self->watched_ = clock::time_point::max();
            self->check_deadlines(clock::now());
            self->watch_deadline();
        });
    }

    void check_deadlines(clock::time_point now) {
        if (!in_flight_.empty() && in_flight_.front().due <= now)
            fail("Redis did not answer in time");
        else if (connecting_until_ <= now)
            fail("connecting took too long");
        while (!waiting_.empty() && waiting_.front().due <= now) {
            complete(std::move(waiting_.front().done), "Redis cannot be reached: " + last_failure_, false);
            waiting_.pop_front();
        }
    }

    void fail(const std::string& why) {
        ++turn_; // handlers of the old socket find that they are late
        error_code ignored;
        socket_.close(ignored);
        const bool was_ready = std::exchange(ready_, false);
        writing_ = false;
        connecting_until_ = clock::time_point::max();
        outgoing_.clear();
        unflushed_ = 0;
        last_failure_ = why;
        auto lost = std::exchange(in_flight_, {});
        for (auto& call : lost)
            complete(std::move(call.done), why, was_ready);
        if (closed_) {
            for (auto& call : waiting_)
                complete(std::move(call.done), why, false);
            waiting_.clear();
            return;
        }
        if (was_ready || !failed_before_)
            log::warn("redis_lost", {{"redis", options_.where.shown()}, {"connection", options_.name}, {"why", why}});
        failed_before_ = true;
        ++reconnects_;
        reconnect_later();
    }

    void reconnect_later() {
        std::uint32_t dice = 0;
        fill_random(&dice, sizeof dice);
        retry_.expires_after(std::chrono::milliseconds(1 + dice % static_cast<std::uint32_t>(backoff_.count())));
        backoff_ = std::min(backoff_ * 2, longest_backoff);
        retry_.async_wait([self = shared_from_this()](error_code ec) {
            if (!ec)
                self->open();
        });
    }

    const options options_;
    socket_type socket_;
    asio::ip::tcp::resolver resolver_;
    asio::steady_timer deadline_, retry_;
    std::unique_ptr<reply_reader> reader_;
    std::array<char, 64 * 1024> incoming_;
    std::string outgoing_, on_the_wire_;
    std::deque<sent_call> in_flight_;   // in wire order
    std::deque<unsent_call> waiting_;   // for the connection
    clock::time_point connecting_until_ = clock::time_point::max(), watched_ = clock::time_point::max();
    std::chrono::milliseconds backoff_ = first_backoff;
    std::uint64_t turn_ = 0, reconnects_ = 0;
    std::size_t unflushed_ = 0;
    bool ready_ = false, closed_ = false, writing_ = false, flush_posted_ = false, failed_before_ = false;
    std::string last_failure_ = "not connected yet";
};

connection::connection(asio::any_io_executor ex, options o) : link_(std::make_shared<link>(ex, std::move(o))) {
    link_->start();
}

connection::~connection() {
    link_->close();
}

asio::awaitable<reply> connection::call(command c) {
    // The initiation is a plain function object, not a coroutine: nothing of it outlives the statement.
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, reply)>(
        [](auto handler, link& l, command cmd) { l.submit(std::move(cmd), std::move(handler)); }, asio::use_awaitable,
        std::ref(*link_), std::move(c));
}

void connection::close() {
    link_->close();
}

bool connection::connected() const {
    return link_->ready();
}

std::uint64_t connection::reconnects() const {
    return link_->reconnects();
}

} // namespace reprise::redis
