// The inside of a connection (connection.hpp): the socket, what is in flight on it, and how it is made anew. Lives
// until its last completion handler has run; `turn_` tells handlers of an earlier socket that they are late.
#pragma once
#include "common/redis/connection.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <deque>
#include <exception>
#include <string>

namespace reprise::redis {

class connection::link : public std::enable_shared_from_this<connection::link> {
  public:
    using handler = boost::asio::any_completion_handler<void(std::exception_ptr, reply)>;

    link(boost::asio::any_io_executor ex, options o);
    void open();
    void close();
    void submit(const command& c, std::chrono::milliseconds within, handler h);
    std::chrono::milliseconds reply_timeout() const { return options_.reply_timeout; }
    boost::asio::any_io_executor executor() { return socket_.get_executor(); }
    std::uint64_t reconnects() const { return reconnects_; }

  private:
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds first_backoff{50};
    struct sent_call {
        handler done;
        clock::time_point due;
        clock::time_point since =
            clock::time_point::max(); // when it was called; of greetings, which nobody times, max
    };
    struct unsent_call {
        std::string bytes;
        handler done;
        clock::time_point due;
    };

    // link_connecting.cpp: from nothing to ready, and back
    template <class Endpoint>
    void connect_to(const Endpoint& where);
    void greet();
    void greeting(const command& c, bool last = false);
    void open_gate();
    void fail(const std::string& why);
    void reconnect_later();
    clock::time_point next_due() const;
    void watch_deadline();
    void check_deadlines(clock::time_point now);

    // link.cpp: calls and replies
    void complete(handler h, const std::string& why, bool sent);
    void flush_soon();
    void flush();
    void read_some();
    void received(std::size_t size, std::uint64_t turn);
    void tell_time(clock::time_point since, clock::time_point now);
    void deliver(handler done, reply r);

    const options options_;
    boost::asio::generic::stream_protocol::socket socket_;
    boost::asio::ip::tcp::resolver resolver_;
    boost::asio::steady_timer deadline_, retry_;
    std::unique_ptr<reply_reader> reader_;
    std::array<char, 64 * 1024> incoming_;
    std::string outgoing_, on_the_wire_;
    std::deque<sent_call> in_flight_;                          // in wire order
    std::deque<unsent_call> waiting_;                          // for the connection
    clock::time_point waiting_due_ = clock::time_point::max(); // no later than the first of them
    clock::time_point connecting_until_ = clock::time_point::max(), watched_ = clock::time_point::max();
    std::chrono::milliseconds backoff_;
    std::uint64_t turn_ = 0, reconnects_ = 0;
    bool ready_ = false, closed_ = false, writing_ = false, flush_posted_ = false, failed_before_ = false;
    std::string last_failure_ = "not connected yet";
};

} // namespace reprise::redis
