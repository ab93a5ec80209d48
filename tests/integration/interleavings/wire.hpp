// A blocking, pipelined link to Redis: millions of commands, many at a time, and no event loop between them.
#pragma once
#include "common/redis/resp.hpp"

#include <string>

namespace reprise::interleavings {

class wire {
  public:
    explicit wire(const std::string& socket_path); // throws std::system_error
    ~wire();
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    void send(const std::string& encoded) { out_ += encoded; } // goes out with the next flush or receive
    void flush();
    redis::reply receive(); // of the oldest command without one; throws std::runtime_error after 10 s of silence
    redis::reply ask(const redis::command& c);

  private:
    int fd_;
    std::string out_;
    redis::reply_reader reader_;
};

// What is no error; throws std::runtime_error.
redis::reply must(redis::reply r);

} // namespace reprise::interleavings
