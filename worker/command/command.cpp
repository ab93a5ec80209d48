#include "worker/command/command.hpp"

#include "common/log.hpp"
#include "worker/command/warden.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <set>

namespace reprise::worker {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kept_at_each_end = 64 << 10;
constexpr std::uint64_t most_said = 64u << 20;

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (auto& s : strings)
        out.push_back(s.data());
    out.push_back(nullptr);
    return out;
}

// Pids of the wardens that are alive; all commands of a process run on one thread.
std::set<pid_t> wardens;

void close_on_exec(int fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

} // namespace

command::command(asio::any_io_executor ex) : output_(ex), control_(ex) {}

void command::spawn(const command_order& order) {
    std::array<int, 2> pipe{}, pair{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
        throw boost::system::system_error(errno, boost::system::system_category(), "pipe");
    output_.assign(pipe[0]);
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        ::close(pipe[1]);
        throw boost::system::system_error(errno, boost::system::system_category(), "socketpair");
    }
    control_.assign(asio::local::stream_protocol(), pair[0]);

    std::vector<std::string> words{"reprise-worker",
                                   "warden",
                                   std::to_string(order.timeout.count()),
                                   std::to_string(order.lease_end),
                                   std::to_string(order.memory_mib),
                                   order.stdout_file.empty() ? "-" : order.stdout_file,
                                   order.directory.string()};
    words.insert(words.end(), order.argv.begin(), order.argv.end());
    auto environment = order.environment;
    const auto argv = pointers(words), envp = pointers(environment);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipe[1], STDERR_FILENO);
    // dup2 onto itself would keep close-on-exec, so the end for the warden is moved away from its number first.
    const int control = ::fcntl(pair[1], F_DUPFD_CLOEXEC, 64);
    posix_spawn_file_actions_adddup2(&files, control, warden_control);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, "/proc/self/exe", &files, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&files);
    for (const int fd : {pipe[1], pair[1], control})
        ::close(fd);
    if (failed != 0)
        throw boost::system::system_error(failed, boost::system::system_category(), "posix_spawn");
    warden_ = pid;
    wardens.insert(pid);
    close_on_exec(output_.native_handle());
}

// The warden is reaped by the kernel: main ignores SIGCHLD.
asio::awaitable<command_result> command::run(const command_order& order) {
    using namespace asio::experimental::awaitable_operators;
    spawn(order);
    co_await (read_output() && read_word()); // both end when the warden does

    command_result r;
    r.output = log();
    const auto space = word_.find(' ');
    const auto what = word_.substr(0, space);
    if (space != std::string::npos)
        std::from_chars(word_.data() + space + 1, word_.data() + word_.size(), r.number);
    using end = command_result::end;
    if (flooded_)
        r.how = end::output_limit;
    else if (what == "exit")
        r.how = end::exited;
    else if (what == "signal")
        r.how = end::signaled;
    else if (what == "timeout")
        r.how = end::timed_out;
    else if (what == "memory")
        r.how = end::out_of_memory;
    else if (what == "lease" || what == "closed")
        r.how = end::stopped;
    else if (what.empty()) // the warden itself was killed, and the command with it
        r.how = end::signaled, r.number = SIGKILL;
    co_return r;
}

asio::awaitable<void> command::read_output() {
    std::array<char, 16 << 10> piece;
    for (;;) {
        error_code ec;
        const auto n =
            co_await output_.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
        said_ += n;
        const auto to_head = std::min(n, kept_at_each_end - head_.size());
        head_.append(piece.data(), to_head);
        tail_.append(piece.data() + to_head, n - to_head);
        if (tail_.size() > 2 * kept_at_each_end)
            tail_.erase(0, tail_.size() - kept_at_each_end);
        if (said_ > most_said && !flooded_) {
            flooded_ = true;
            stop();
        }
    }
}

asio::awaitable<void> command::read_word() {
    std::array<char, 64> piece;
    for (;;) {
        error_code ec;
        const auto n =
            co_await control_.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            break;
        word_.append(piece.data(), n);
        if (const auto end = word_.find('\n'); end != std::string::npos) {
            word_.resize(end);
            break;
        }
    }
    if (word_.empty())
        co_await clear_up();
    wardens.erase(warden_);
    error_code ignored;
    control_.close(ignored);
}

// The warden is gone without a word: a command has killed it. What it watched over is our child now.
asio::awaitable<void> command::clear_up() {
    wardens.erase(warden_);
    asio::steady_timer pause(control_.get_executor());
    error_code ignored;
    for (int round = 0; round < 200; ++round) {
        const bool found = kill_strays(wardens);
        if (!found && round > 2) // an orphan may take a moment to arrive
            break;
        pause.expires_after(std::chrono::milliseconds(10));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    output_.close(ignored); // whoever still holds the other end is not waited for
}

void command::extend(std::int64_t lease_end) {
    const auto line = "lease " + std::to_string(lease_end) + "\n";
    // A few bytes into an empty socket buffer; if it is full or closed the warden is ending anyway.
    if (control_.is_open())
        (void)::send(control_.native_handle(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void command::stop() {
    if (control_.is_open())
        ::shutdown(control_.native_handle(), SHUT_WR);
}

std::string command::log() const {
    const auto tail = tail_.size() > kept_at_each_end ? tail_.substr(tail_.size() - kept_at_each_end) : tail_;
    const auto left_out = said_ - head_.size() - tail.size();
    if (left_out == 0)
        return head_ + tail;
    return head_ + "\n[... " + std::to_string(left_out) + " bytes left out ...]\n" + tail;
}

} // namespace reprise::worker
