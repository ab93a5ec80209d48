#include "tests/support/redis_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace reprise::test {
namespace {

bool answers(const std::string& socket_path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, socket_path.c_str(), sizeof a.sun_path - 1);
    std::array<char, 64> answer{};
    const bool pong = ::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0 &&
                      ::write(fd, "PING\r\n", 6) == 6 && ::read(fd, answer.data(), answer.size()) > 0 &&
                      answer[0] == '+';
    ::close(fd);
    return pong;
}

} // namespace

redis_server::redis_server() {
    std::string name = (std::filesystem::temp_directory_path() / "reprise-test-XXXXXX").string();
    if (!::mkdtemp(name.data()))
        throw std::runtime_error("cannot make a directory for Redis");
    directory_ = name;
    start();
}

redis_server::~redis_server() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

redis::address redis_server::address() const {
    redis::address a;
    a.path = (directory_ / "redis.sock").string();
    return a;
}

void redis_server::start() {
    const auto socket_path = address().path;
    pid_ = ::fork();
    if (pid_ == 0) {
        const int log = ::open((directory_ / "redis.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(log, STDOUT_FILENO);
        ::dup2(log, STDERR_FILENO);
        ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path.c_str(), "--dir",
                 directory_.c_str(), "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                 "--maxmemory-policy", "noeviction", "--enable-debug-command", "local", nullptr);
        ::_exit(127);
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    // Redis says nowhere else that it is ready.
    while (!answers(socket_path)) {
        if (std::chrono::steady_clock::now() > until || ::waitpid(pid_, nullptr, WNOHANG) == pid_)
            throw std::runtime_error("redis-server did not start; is it installed?");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

void redis_server::stop() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
}

void redis_server::freeze(bool frozen) {
    ::kill(pid_, frozen ? SIGSTOP : SIGCONT);
}

} // namespace reprise::test
