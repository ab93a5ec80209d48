// A bare client of Redis: one blocking unix socket and hiredis' reader. Commands may be sent long before their replies
// are read, since Redis reads on whatever its clients do.
#pragma once
#include "common/redis/resp.hpp"

#include <string>
#include <string_view>

namespace reprise::bench {

class redis_socket {
  public:
    explicit redis_socket(const std::string& path); // throws std::system_error
    ~redis_socket();
    redis_socket(const redis_socket&) = delete;
    redis_socket& operator=(const redis_socket&) = delete;

    void send(std::string_view bytes);
    redis::reply receive(); // waits; throws std::runtime_error after 30 s without a word
    // What has come already, if that is a whole reply. Reads nothing.
    std::optional<redis::reply> next() { return reader_.next(); }

    template <class... Text>
    redis::reply call(const Text&... words) {
        send(redis::command::of(words...).bytes());
        return receive();
    }
    int descriptor() const { return fd_; }

  private:
    void fill();

    int fd_;
    redis::reply_reader reader_{std::size_t{256} << 20};
};

} // namespace reprise::bench
