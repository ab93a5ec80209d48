#include "worker/command/warden.hpp"

#include "worker/command/boottime.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::worker {
namespace {

constexpr int look_again_ms = 100; // how often children and memory are looked at
constexpr rlim_t largest_file = 256u << 20;

std::int64_t to_number(std::string_view s) {
    std::int64_t n = 0;
    std::from_chars(s.data(), s.data() + s.size(), n);
    return n;
}

// Children of a process: each of its threads has its own.
std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> out;
    std::error_code ec;
    const std::filesystem::path threads = "/proc/" + std::to_string(pid) + "/task";
    for (auto it = std::filesystem::directory_iterator(threads, ec);
         !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
        std::ifstream in(it->path() / "children");
        for (pid_t child = 0; in >> child;)
            out.push_back(child);
    }
    return out;
}

std::vector<pid_t> descendants() {
    std::vector<pid_t> all = children_of(::getpid());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto more = children_of(all[i]);
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

std::int64_t resident_mib() {
    static const auto page = ::sysconf(_SC_PAGESIZE);
    std::int64_t pages = 0;
    for (const pid_t pid : descendants()) {
        std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
        std::int64_t total = 0, resident = 0;
        if (in >> total >> resident)
            pages += resident;
    }
    return pages * page >> 20;
}

// We are their subreaper: whoever loses a parent becomes our child, so killing our children until there are
// none gets every one of them, whatever session or group it made for itself.
void kill_all() {
    for (;;) {
        for (const pid_t pid : descendants())
            ::kill(pid, SIGKILL);
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        if (::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD)
            return;
        ::usleep(1000);
    }
}

void limit(int what, rlim_t most) {
    const rlimit r{most, most};
    ::setrlimit(static_cast<__rlimit_resource>(what), &r);
}

[[noreturn]] void become_command(const char* stdout_file, const char* directory, char** command) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::setsid();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, largest_file);
    limit(RLIMIT_NOFILE, 4096);
    ::umask(077);
    if (::chdir(directory) == 0) {
        bool ready = true;
        if (std::strcmp(stdout_file, "-") != 0) {
            const int fd = ::open(stdout_file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
            ready = fd >= 0 && ::dup2(fd, STDOUT_FILENO) >= 0;
        }
        if (ready) {
            ::close(warden_control);
            sigset_t none;
            sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            ::signal(SIGPIPE, SIG_DFL);
            ::execvp(command[0], command);
        }
    }
    const int why = errno;
    ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", command[0], std::strerror(why));
    ::_exit(why == ENOENT ? 127 : 126);
}

class warden {
  public:
    warden(pid_t command, std::int64_t timeout_ms, std::int64_t lease_end, std::int64_t memory_mib)
        : command_(command), time_up_(boottime_ms() + timeout_ms), lease_end_(lease_end), memory_mib_(memory_mib) {}

    std::string watch() {
        for (;;) {
            int status = 0;
            pid_t pid = 0;
            while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == command_)
                    return WIFEXITED(status) ? "exit " + std::to_string(WEXITSTATUS(status))
                                             : "signal " + std::to_string(WTERMSIG(status));
            const auto now = boottime_ms();
            if (now >= lease_end_)
                return "lease";
            if (now >= time_up_)
                return "timeout";
            if (resident_mib() > memory_mib_)
                return "memory";
            if (!wait_for_news(std::min(time_up_, lease_end_) - now))
                return "closed";
        }
    }

  private:
    // Waits for a child's end, a word of the worker or `ms`; answers false when the control socket has closed.
    bool wait_for_news(std::int64_t ms) {
        pollfd p{warden_control, POLLIN, 0};
        timespec t{};
        t.tv_nsec = std::min<std::int64_t>(look_again_ms, std::max<std::int64_t>(ms, 1)) * 1'000'000;
        sigset_t all_but_child;
        ::sigprocmask(SIG_SETMASK, nullptr, &all_but_child);
        sigdelset(&all_but_child, SIGCHLD);
        if (::ppoll(&p, 1, &t, &all_but_child) <= 0) // SIGCHLD is let in only here, and ends the wait
            return true;
        char buffer[256];
        const auto n = ::read(warden_control, buffer, sizeof buffer);
        if (n <= 0)
            return n < 0 && (errno == EINTR || errno == EAGAIN);
        said_.append(buffer, static_cast<std::size_t>(n));
        for (auto end = said_.find('\n'); end != std::string::npos; end = said_.find('\n')) {
            if (said_.starts_with("lease "))
                lease_end_ = to_number(std::string_view(said_).substr(6, end - 6));
            said_.erase(0, end + 1);
        }
        return true;
    }

    pid_t command_;
    std::int64_t time_up_, lease_end_, memory_mib_;
    std::string said_;
};

void on_child(int) {} // so that SIGCHLD interrupts ppoll

} // namespace

bool kill_strays(const std::set<pid_t>& wardens) {
    bool found = false;
    for (const pid_t child : children_of(::getpid()))
        if (!wardens.contains(child)) {
            ::kill(child, SIGKILL);
            found = true;
        }
    return found;
}

int warden_main(int argc, char** argv) {
    if (argc < 8)
        return 64; // EX_USAGE: only the worker calls this
    // Sockets and files of the worker that were not marked close-on-exec must reach neither us nor the command.
    if (::syscall(SYS_close_range, warden_control + 1, ~0u, 0) != 0)
        for (int fd = warden_control + 1; fd < 4096; ++fd)
            ::close(fd);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::setsid();
    struct sigaction on_sigchld {};
    on_sigchld.sa_handler = on_child;
    ::sigaction(SIGCHLD, &on_sigchld, nullptr);
    sigset_t held_back;
    sigemptyset(&held_back);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) // only the worker's word and the clock end a command
        sigaddset(&held_back, signal);
    ::sigprocmask(SIG_BLOCK, &held_back, nullptr);

    const pid_t command = ::fork();
    std::string word;
    if (command < 0) {
        word = "failed " + std::to_string(errno);
    } else if (command == 0) {
        become_command(argv[5], argv[6], argv + 7);
    } else {
        word = warden(command, to_number(argv[2]), to_number(argv[3]), to_number(argv[4])).watch();
        kill_all();
    }
    word += '\n';
    return ::write(warden_control, word.data(), word.size()) < 0 ? 1 : 0;
}

} // namespace reprise::worker
