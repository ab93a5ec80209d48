#include "tests/integration/interleavings/wire.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace reprise::interleavings {
namespace {

constexpr int longest_silence_s = 10;

[[noreturn]] void failed(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

wire::wire(const std::string& socket_path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, socket_path.c_str(), sizeof a.sun_path - 1);
    timeval limit{};
    limit.tv_sec = longest_silence_s;
    if (fd_ < 0 || ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        ::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0)
        failed("cannot connect to Redis");
}

wire::~wire() {
    ::close(fd_);
}

void wire::flush() {
    std::string_view left = out_;
    while (!left.empty()) {
        const auto n = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            failed("cannot write to Redis");
        left.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    out_.clear();
}

redis::reply wire::receive() {
    flush();
    std::array<char, 65536> buffer;
    for (;;) {
        if (auto r = reader_.next())
            return std::move(*r);
        const auto n = ::read(fd_, buffer.data(), buffer.size());
        if (n == 0)
            throw std::runtime_error("Redis closed the connection");
        if (n < 0 && errno != EINTR)
            failed("no answer from Redis");
        if (n > 0)
            reader_.feed({buffer.data(), static_cast<std::size_t>(n)});
    }
}

redis::reply wire::ask(const redis::command& c) {
    send(c.bytes());
    return receive();
}

redis::reply must(redis::reply r) {
    if (r.is_error())
        throw std::runtime_error("Redis refused: " + std::string(r.text()));
    return r;
}

} // namespace reprise::interleavings
