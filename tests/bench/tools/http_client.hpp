// A bare client of HTTP on the loopback: sockets, and the answers in what they bring.
#pragma once
#include <string>
#include <string_view>

namespace reprise::bench {

std::string read_file(const std::string& path); // throws std::invalid_argument

class http_connection {
  public:
    explicit http_connection(unsigned short port); // throws std::system_error
    ~http_connection();
    http_connection(http_connection&& other) noexcept;
    http_connection& operator=(http_connection&&) = delete;

    void send(std::string_view request); // at once: it is small, and nothing of an earlier one is under way
    // Reads what is there, without waiting. Answers false when the connection has ended.
    bool receive();
    // The status of a whole answer that has come, which is taken; 0 when there is none. Answers have a Content-Length, but for
    // streams: of these, `head_only` takes the head.
    int answer(bool head_only = false);
    void drop() { bytes_.clear(); }
    int descriptor() const { return fd_; }

  private:
    int fd_;
    std::string bytes_;
};

} // namespace reprise::bench
