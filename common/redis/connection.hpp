// One connection to Redis, shared by everything on one io_context thread: calls are pipelined in the order they
// are made, and replies are matched to them in that order. Asio owns the socket, hiredis the protocol.
//
// - All members are called on the executor's one thread.
// - A call cannot be cancelled, because its outcome would be unknown; it ends by its deadline, `reply_timeout`.
// - A reply that is late fails the connection and every call on it: behind a late reply all others are late.
// - Broken connections are made anew with capped exponential backoff and full jitter. Calls made meanwhile wait
// for it,
//   within the same deadline.
#pragma once
#include "common/redis/address.hpp"
#include "common/redis/resp.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace reprise::redis {

// Told of what happens on connections, on the thread of each. Many may share one.
class observer {
  public:
    virtual ~observer() = default;
    virtual void
    answered(std::chrono::nanoseconds after) = 0; // one call, since it was handed to a connection that was ready
    virtual void lost() = 0;                      // a connection that was ready
    virtual void connected_again() = 0;           // after a failure
};

struct options {
    address where;
    std::string name;                              // CLIENT SETNAME
    std::chrono::milliseconds reply_timeout{2000}; // from the call, connecting included
    std::chrono::milliseconds connect_timeout{1000};
    std::size_t most_waiting = 20000;      // calls in flight or waiting; one more is refused
    std::shared_ptr<observer> observed_by; // or null
    bool prompt = true; // false where Redis is asked to wait: then the time to an answer says nothing
};

// Redis could not be reached, did not answer in time, or answered that it cannot serve now (LOADING, READONLY,
// MASTERDOWN, OOM, MISCONF, BUSY, CLUSTERDOWN, NOREPLICAS, or that we may not: NOAUTH, NOPERM, WRONGPASS, which an operator
// puts right). `sent` says whether the call may have been carried out.
class unavailable : public outage {
  public:
    unavailable(const std::string& what, bool sent) : outage(errc::redis_unavailable, what), sent_(sent) {}
    bool outcome_unknown() const { return sent_; }

  private:
    bool sent_;
};

// Redis refused the command itself: a bug, missing rights, or a missing function. text() is its error line.
class refused : public std::runtime_error {
  public:
    explicit refused(std::string_view line) : std::runtime_error("Redis: " + std::string(line)), line_(line) {}
    const std::string& line() const { return line_; }

  private:
    std::string line_;
};

class connection {
  public:
    connection(boost::asio::any_io_executor ex, options o);
    ~connection(); // as close()
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // Throws unavailable or refused; an answer is never an error reply. The second form has a deadline of its own, not
    // longer than `reply_timeout`.
    boost::asio::awaitable<reply> call(command c);
    boost::asio::awaitable<reply> call(command c, std::chrono::milliseconds within);

    // All of them at once, one behind the other on the wire; replies in the same order. Throws for the first that fails.
    boost::asio::awaitable<std::vector<reply>> call_all(std::vector<command> commands);

    // Fails everything in flight and connects no more.
    void close();
    std::uint64_t reconnects() const;
    std::chrono::milliseconds reply_timeout() const;
    boost::asio::any_io_executor executor() const;

  private:
    class link;
    std::shared_ptr<link> link_; // outlives us until its last completion handler has run
};

} // namespace reprise::redis
