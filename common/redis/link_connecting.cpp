// A link on its way to Redis: connecting, greeting, failing, trying again; and the deadlines that make it fail.
#include "common/redis/link.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"

#include <boost/asio/local/stream_protocol.hpp>

namespace reprise::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds longest_backoff{2000};

std::string describe(const std::exception_ptr& failed) {
    try {
        std::rethrow_exception(failed);
    } catch (const std::exception& e) {
        return e.what();
    }
}

} // namespace

connection::link::link(asio::any_io_executor ex, options o)
    : options_(std::move(o)), socket_(ex), resolver_(ex), deadline_(ex), retry_(ex), backoff_(first_backoff) {}

template <class Endpoint>
void connection::link::connect_to(const Endpoint& where) {
    socket_.async_connect(where, [self = shared_from_this(), turn = turn_](error_code ec) {
        if (turn != self->turn_ || self->closed_)
            return;
        if (ec)
            self->fail("cannot connect: " + ec.message());
        else
            self->greet();
    });
}

void connection::link::open() {
    if (closed_)
        return;
    connecting_until_ = clock::now() + options_.connect_timeout;
    watch_deadline();
    if (options_.where.host.empty()) {
        connect_to(asio::local::stream_protocol::endpoint(options_.where.path));
        return;
    }
    resolver_.async_resolve(
        options_.where.host, options_.where.port,
        [self = shared_from_this(), turn = turn_](error_code ec, auto found) {
            if (turn != self->turn_ || self->closed_)
                return;
            if (ec)
                self->fail("cannot resolve the host of Redis: " + ec.message());
            else // the host's next address at each try
                self->connect_to(
                    std::next(found.begin(), static_cast<std::ptrdiff_t>(self->turn_ % found.size()))->endpoint());
        });
}

// AUTH, SELECT and SETNAME come before anything else on every new connection.
void connection::link::greet() {
    error_code ec;
    socket_.non_blocking(true, ec);
    if (ec)
        return fail("cannot make the socket non-blocking: " + ec.message());
    if (!options_.where.host.empty())
        socket_.set_option(asio::ip::tcp::no_delay(true), ec);
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

void connection::link::greeting(const command& c, bool last) {
    outgoing_ += c.bytes();
    in_flight_.push_back({[self = shared_from_this(), last, turn = turn_](std::exception_ptr failed, reply) {
                              if (turn != self->turn_ || self->closed_)
                                  return;
                              if (failed)
                                  self->fail("Redis refused the greeting: " + describe(failed));
                              else if (last)
                                  self->open_gate();
                          },
                          connecting_until_, clock::time_point::max()});
}

void connection::link::open_gate() {
    ready_ = true;
    connecting_until_ = clock::time_point::max();
    if (reconnects_ > 0 || failed_before_)
        log::info("redis_connected", {{"redis", options_.where.shown()}, {"connection", options_.name}});
    if (options_.observed_by && reconnects_ > 0)
        options_.observed_by->connected_again();
    failed_before_ = false;
    const auto now = clock::now();
    for (auto& call : waiting_) {
        outgoing_ += call.bytes;
        in_flight_.push_back({std::move(call.done), call.due, now});
    }
    waiting_.clear();
    waiting_due_ = clock::time_point::max();
    flush();
}

void connection::link::fail(const std::string& why) {
    ++turn_; // handlers of the old socket find that they are late
    error_code ignored;
    socket_.close(ignored);
    const bool was_ready = std::exchange(ready_, false);
    writing_ = false;
    connecting_until_ = clock::time_point::max();
    outgoing_.clear();
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
    if (was_ready && options_.observed_by)
        options_.observed_by->lost();
    if (was_ready || !failed_before_)
        log::warn("redis_lost", {{"redis", options_.where.shown()}, {"connection", options_.name}, {"why", why}});
    failed_before_ = true;
    ++reconnects_;
    reconnect_later();
}

void connection::link::reconnect_later() {
    std::uint32_t dice = 0;
    fill_random(&dice, sizeof dice);
    retry_.expires_after(std::chrono::milliseconds(1 + dice % static_cast<std::uint32_t>(backoff_.count())));
    backoff_ = std::min(backoff_ * 2, longest_backoff);
    retry_.async_wait([self = shared_from_this()](error_code ec) {
        if (!ec)
            self->open();
    });
}

connection::link::clock::time_point connection::link::next_due() const {
    auto due = connecting_until_;
    if (!in_flight_.empty())
        due = std::min(due, in_flight_.front().due);
    return std::min(due, waiting_due_);
}

void connection::link::watch_deadline() {
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

void connection::link::check_deadlines(clock::time_point now) {
    if (!in_flight_.empty() && in_flight_.front().due <= now)
        fail("Redis did not answer in time");
    else if (connecting_until_ <= now)
        fail("connecting took too long");
    if (waiting_due_ > now)
        return;
    waiting_due_ = clock::time_point::max();
    auto calls = std::exchange(waiting_, {}); // the move assignment of Boost 1.81 wraps a handler in itself
    for (auto& call : calls) {
        if (call.due <= now) {
            complete(std::move(call.done), "Redis cannot be reached: " + last_failure_, false);
            continue;
        }
        waiting_due_ = std::min(waiting_due_, call.due);
        waiting_.push_back(std::move(call));
    }
}

void connection::link::close() {
    if (closed_)
        return;
    closed_ = true;
    retry_.cancel();
    resolver_.cancel();
    fail("the connection is closed");
    deadline_.cancel();
}

} // namespace reprise::redis
