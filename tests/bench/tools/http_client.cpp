#include "tests/bench/tools/http_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace reprise::bench {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

int number_at(std::string_view text) {
    int n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

// 0 if there is none.
std::size_t content_length(std::string_view head) {
    static constexpr std::string_view name = "\r\ncontent-length:";
    for (std::size_t at = 0; at + name.size() < head.size(); ++at) {
        std::size_t same = 0;
        while (same < name.size() && (head[at + same] | (name[same] >= 'a' ? 0x20 : 0)) == name[same])
            ++same;
        if (same == name.size())
            return static_cast<std::size_t>(number_at(head.substr(head.find_first_not_of(' ', at + name.size()))));
    }
    return 0;
}

} // namespace

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (bytes.empty())
        throw std::invalid_argument("cannot read " + path);
    return bytes;
}

http_connection::http_connection(unsigned short port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        const auto error = errno;
        ::close(fd_);
        errno = error;
        fail("connecting to the API");
    }
}

http_connection::~http_connection() {
    if (fd_ >= 0)
        ::close(fd_);
}

http_connection::http_connection(http_connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), bytes_(std::move(other.bytes_)) {}

void http_connection::send(std::string_view request) {
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        fail("sending a request");
}

bool http_connection::receive() {
    std::array<char, 16384> piece; // NOLINT(cppcoreguidelines-pro-type-member-init): read into at once
    const auto got = ::recv(fd_, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got > 0)
        bytes_.append(piece.data(), static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

int http_connection::answer(bool head_only) {
    const auto end = bytes_.find("\r\n\r\n");
    if (end == std::string::npos)
        return 0;
    const auto whole = end + 4 + (head_only ? 0 : content_length({bytes_.data(), end}));
    if (bytes_.size() < whole)
        return 0;
    const auto status = number_at(std::string_view(bytes_).substr(9)); // after `HTTP/1.1 `
    bytes_.erase(0, whole);
    return status;
}

} // namespace reprise::bench
