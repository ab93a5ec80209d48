// What wakes an idle worker. A second consumer group on the streams of tickets is read without acknowledging, so each new
// ticket rings for one waiting worker. Reading it takes nothing: the ticket itself is taken by claim, and a ring that is
// lost costs a second and no run.
#pragma once
#include "common/redis/connection.hpp"

#include <boost/asio/awaitable.hpp>

namespace reprise::worker {

class bell {
  public:
    // A connection of its own: a blocked read holds up everything behind it.
    bell(boost::asio::any_io_executor ex, redis::options o);

    // Until a ticket may be there, at most a second. False when Redis cannot be asked.
    boost::asio::awaitable<bool> wait(unsigned partition);
    void close() { redis_.close(); } // ends a wait

  private:
    redis::connection redis_;
};

} // namespace reprise::worker
