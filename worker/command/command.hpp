// Runs one command of a step under a warden and keeps the head and the tail of what it says.
#pragma once
#include "worker/command/boottime.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace reprise::worker {

struct command_order {
    std::vector<std::string> argv;
    std::vector<std::string> environment; // NAME=value; nothing is inherited
    std::filesystem::path directory;
    std::string stdout_file; // in the directory; empty: into the log
    std::chrono::milliseconds timeout{};
    std::int64_t memory_mib = 0;
    std::int64_t lease_end = 0; // CLOCK_BOOTTIME ms
};

struct command_result {
    enum class end {
        exited,
        signaled,
        timed_out,
        out_of_memory,
        output_limit,
        stopped,
        not_started
    } how = end::not_started;
    int number = 0;     // exit code or signal
    std::string output; // head and tail; standard error, and standard output unless it went to a file
};

// One command. Lives until run() has returned.
class command {
  public:
    explicit command(boost::asio::any_io_executor ex);
    boost::asio::awaitable<command_result> run(const command_order& order);

    // While run() is awaited. Both are cheap and never throw.
    void extend(std::int64_t lease_end);
    void stop(); // kills it and all that came from it

  private:
    boost::asio::awaitable<void> read_output();
    boost::asio::awaitable<void> read_word();
    boost::asio::awaitable<void> clear_up();
    void spawn(const command_order& order);
    std::string log() const;

    boost::asio::posix::stream_descriptor output_;
    boost::asio::local::stream_protocol::socket control_;
    std::string head_, tail_, word_;
    int warden_ = 0; // pid
    std::uint64_t said_ = 0;
    bool flooded_ = false;
};

} // namespace reprise::worker
