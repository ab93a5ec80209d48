// The protocol, by hiredis: commands to bytes, bytes to replies. Pure: no socket, no clock.
#pragma once
#include "common/redis/reply.hpp"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::redis {

// One command, encoded when it is built. Arguments may hold any bytes.
class command {
  public:
    explicit command(std::span<const std::string_view> args);
    explicit command(std::span<const std::string> args);
    // command::of("HGET", key, field). No braces: gcc 12 cannot keep an initializer list in a coroutine's frame.
    template <class... Text>
    static command of(const Text&... args) {
        const std::array<std::string_view, sizeof...(args)> views{std::string_view(args)...};
        return command(std::span<const std::string_view>(views));
    }
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

class protocol_error : public std::runtime_error {
    using runtime_error::runtime_error;
};

class reply_reader {
  public:
    // Of one reply, as it is sent; the largest that is asked for has a few hundred kilobytes. In memory it may have twenty
    // times as many.
    explicit reply_reader(std::size_t most_bytes = 8u << 20);
    void feed(std::string_view bytes); // throws protocol_error
    std::optional<reply> next();       // throws protocol_error; afterwards the reader is of no more use

  private:
    struct release {
        void operator()(redisReader* r) const { redisReaderFree(r); }
    };
    std::unique_ptr<redisReader, release> reader_;
    const std::size_t most_;
    std::size_t fed_ = 0; // bytes of replies that are not complete
};

} // namespace reprise::redis
