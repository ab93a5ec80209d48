// A link that is ready: calls go out in batches, replies come back in their order.
#include "common/redis/link.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace reprise::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Commands are written at the end of a turn of the loop, or as soon as so many bytes of them are waiting: Redis then works on
// the first while we still make the last.
constexpr std::size_t flush_at = 2048;

bool serves_no_one(std::string_view line) {
    for (const std::string_view prefix :
         {"LOADING", "READONLY", "MASTERDOWN", "OOM", "MISCONF", "BUSY ", "CLUSTERDOWN", "NOREPLICAS", "UNBLOCKED",
          "TRYAGAIN", "NOAUTH", "NOPERM", "WRONGPASS"})
        if (line.starts_with(prefix))
            return true;
    return false;
}

} // namespace

void connection::link::submit(const command& c, std::chrono::milliseconds within, handler h) {
    if (closed_ || in_flight_.size() + waiting_.size() >= options_.most_waiting) {
        complete(std::move(h), closed_ ? "the connection is closed" : "too many calls are waiting", false);
        return;
    }
    const auto now = clock::now(), due = now + within;
    if (!ready_) {
        waiting_.push_back({c.bytes(), std::move(h), due});
        waiting_due_ = std::min(waiting_due_, due);
    } else {
        outgoing_ += c.bytes();
        in_flight_.push_back({std::move(h), due, now});
        flush_soon();
    }
    watch_deadline();
}

// Completions are posted: a coroutine that goes on inside our own read loop could call back into it.
void connection::link::complete(handler h, const std::string& why, bool sent) {
    asio::post(socket_.get_executor(), [h = std::move(h), why, sent]() mutable {
        std::move(h)(std::make_exception_ptr(unavailable(why, sent)), reply());
    });
}

void connection::link::flush_soon() {
    if (outgoing_.size() >= flush_at) {
        flush();
    } else if (!flush_posted_) {
        flush_posted_ = true;
        asio::post(socket_.get_executor(), [self = shared_from_this()] {
            self->flush_posted_ = false;
            self->flush();
        });
    }
}

// Written here and not by async_write alone: its end is heard a turn later, and what came meanwhile would wait for that.
void connection::link::flush() {
    if (writing_ || outgoing_.empty() || closed_)
        return;
    error_code ignored; // async_write meets a real error again; most often there is only no room
    const auto sent = socket_.write_some(asio::buffer(outgoing_), ignored);
    if (sent == outgoing_.size()) {
        outgoing_.clear();
        return;
    }
    writing_ = true;
    on_the_wire_.assign(outgoing_, sent);
    outgoing_.clear();
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

void connection::link::read_some() {
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

void connection::link::received(std::size_t size, std::uint64_t turn) {
    try {
        reader_->feed({incoming_.data(), size});
        const auto now = clock::now(); // for all that have come together
        while (auto next = reader_->next()) {
            if (in_flight_.empty())
                throw protocol_error("Redis sent a reply to nothing");
            auto answered = std::move(in_flight_.front());
            in_flight_.pop_front();
            tell_time(answered.since, now);
            deliver(std::move(answered.done), std::move(*next));
            if (turn != turn_ || closed_)
                return; // delivering a greeting's reply may have ended this connection
        }
    } catch (const protocol_error& e) {
        fail(e.what());
        return;
    }
    read_some();
}

void connection::link::tell_time(clock::time_point since, clock::time_point now) {
    if (options_.observed_by && options_.prompt && since != clock::time_point::max())
        options_.observed_by->answered(now - since);
}

void connection::link::deliver(handler done, reply r) {
    std::exception_ptr failed;
    if (!r.is_error() && ready_)
        backoff_ = first_backoff; // it not only greets, it serves
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

} // namespace reprise::redis
