#include "tests/bench/tools/redis_socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace reprise::bench {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

redis_socket::redis_socket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (path.size() >= sizeof where.sun_path)
        throw std::invalid_argument("the path of the socket is too long");
    std::memcpy(where.sun_path, path.data(), path.size());
    const timeval patience{30, 0};
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
        const auto error = errno;
        ::close(fd_);
        errno = error;
        fail("connecting to Redis");
    }
}

redis_socket::~redis_socket() {
    ::close(fd_);
}

void redis_socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            fail("writing to Redis");
        if (sent > 0)
            bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

redis::reply redis_socket::receive() {
    for (;;) {
        if (auto r = reader_.next())
            return std::move(*r);
        fill();
    }
}

void redis_socket::fill() {
    std::array<char, 65536> piece; // NOLINT(cppcoreguidelines-pro-type-member-init): read into at once
    const auto got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got == 0)
        throw std::runtime_error("Redis closed the connection");
    if (got > 0)
        reader_.feed({piece.data(), static_cast<std::size_t>(got)});
    else if (errno != EINTR)
        fail("reading from Redis");
}

} // namespace reprise::bench
