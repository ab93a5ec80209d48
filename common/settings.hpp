// The settings that both programs share. Flag > environment > default; CLI11 reads them and prints --help.
#pragma once
#include "common/queue/run_queue.hpp"
#include "common/redis/connection.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace reprise {

inline constexpr int configuration_error =
    78; // exit status, EX_CONFIG: a setting, or Redis itself, is not as it must be

// Exit status if the program is to end here: 0 after --help or --version, configuration_error when it was told something that
// it does not understand, which it then has said.
std::optional<int> read_command_line(CLI::App& app, int argc, char** argv);

struct common_settings {
    std::string redis_url = "redis://127.0.0.1:6379";
    std::string redis_user;
    std::string redis_password_file;
    std::string durability = "always";
    std::string blobs = "file:///var/lib/reprise/blobs";
    std::string log_level = "info";
    std::string admin_listen; // address:port of metrics and probes; empty: none
    unsigned partitions = 1;
    int redis_timeout_ms = 2000;
    int lease_ms = 15'000;
    int beat_ms = 5'000;
    int sweep_ms = 1'000;
    int queue_ttl_s = 24 * 3600;
    int run_deadline_s = 3600;
    int retention_s = 30 * 24 * 3600;
    std::int64_t most_queued = 250'000;

    void add_to(CLI::App& app);
    // Throws std::invalid_argument that names the setting. Call after parsing, before anything starts.
    void validate() const;

    redis::options redis_options(std::string name) const; // throws like validate
    queue_limits limits() const;
    std::string blob_root() const;                                        // path of `blobs`
    std::optional<boost::asio::ip::tcp::endpoint> admin_endpoint() const; // throws like validate
};

// What an address:port in the setting `name` means. Throws std::invalid_argument that names it.
boost::asio::ip::tcp::endpoint endpoint_in(const std::string& name, std::string_view text);

// The first line of a file that not everyone may read. Throws std::invalid_argument that names the file.
std::string read_password(const std::string& file);

// `help` is the flag's text; the environment's name is added to it.
template <class T>
void add_setting(CLI::App& app, const std::string& flag, T& where, const std::string& environment,
                 const std::string& help);

} // namespace reprise
