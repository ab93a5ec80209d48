#include "common/settings.hpp"

#include "common/log.hpp"
#include "common/run/id.hpp"

#include <CLI/CLI.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace reprise {
namespace {

void require(bool holds, const std::string& what) {
    if (!holds)
        throw std::invalid_argument(what);
}

} // namespace

std::string read_password(const std::string& file) {
    namespace fs = std::filesystem;
    std::error_code ec;
    const auto permissions = fs::status(file, ec).permissions();
    std::ifstream in(file);
    std::string line;
    require(!ec && in && std::getline(in, line), "cannot read " + file);
    require((permissions & fs::perms::others_read) == fs::perms::none,
            "everyone can read " + file + "; try chmod 600");
    return line;
}

template <class T>
void add_setting(CLI::App& app, const std::string& flag, T& where, const std::string& environment,
                 const std::string& help) {
    app.add_option(flag, where, help)->envname(environment)->capture_default_str();
}
template void add_setting(CLI::App&, const std::string&, std::string&, const std::string&, const std::string&);
template void add_setting(CLI::App&, const std::string&, int&, const std::string&, const std::string&);
template void add_setting(CLI::App&, const std::string&, unsigned&, const std::string&, const std::string&);
template void add_setting(CLI::App&, const std::string&, std::int64_t&, const std::string&, const std::string&);

std::optional<int> read_command_line(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : configuration_error;
    }
    return std::nullopt;
}

void common_settings::add_to(CLI::App& app) {
    add_setting(app, "--redis-url", redis_url, "REPRISE_REDIS_URL", "redis://[user:pass@]host:port or unix:///path");
    add_setting(app, "--redis-user", redis_user, "REPRISE_REDIS_USER", "Redis ACL user, if not in the URL");
    add_setting(app, "--redis-password-file", redis_password_file, "REPRISE_REDIS_PASSWORD_FILE",
                "file with the user's password");
    add_setting(app, "--redis-timeout", redis_timeout_ms, "REPRISE_REDIS_TIMEOUT",
                "ms that a call of Redis may take");
    add_setting(app, "--durability", durability, "REPRISE_DURABILITY",
                "what Redis must promise: always, everysec or none (appendfsync)");
    add_setting(app, "--blobs", blobs, "REPRISE_BLOBS", "where blobs are kept: file:///absolute/path");
    add_setting(app, "--partitions", partitions, "REPRISE_PARTITIONS", "partitions in Redis; may grow, never shrink");
    add_setting(app, "--lease", lease_ms, "REPRISE_LEASE", "ms that a run stays a silent worker's");
    add_setting(app, "--beat", beat_ms, "REPRISE_BEAT", "ms between a worker's signs of life");
    add_setting(app, "--sweep", sweep_ms, "REPRISE_SWEEP", "ms between sweeps");
    add_setting(app, "--queue-ttl", queue_ttl_s, "REPRISE_QUEUE_TTL", "seconds after which a waiting run expires");
    add_setting(app, "--run-deadline", run_deadline_s, "REPRISE_RUN_DEADLINE", "seconds that a run may take");
    add_setting(app, "--retention", retention_s, "REPRISE_RETENTION", "seconds that inputs and artifacts are kept");
    add_setting(app, "--queue-limit", most_queued, "REPRISE_QUEUE_LIMIT", "runs that may be queued per partition");
    add_setting(app, "--admin-listen", admin_listen, "REPRISE_ADMIN_LISTEN",
                "address:port on which whoever reaches it reads /metrics, /livez and /readyz (default: none)");
    add_setting(app, "--log", log_level, "REPRISE_LOG", "debug, info, warn or error");
}

void common_settings::validate() const {
    redis_options("check");
    blob_root();
    admin_endpoint();
    require(partitions >= 1 && partitions <= max_partitions, "REPRISE_PARTITIONS must be 1 to 1024");
    require(redis_timeout_ms >= 50 && redis_timeout_ms <= 60'000, "REPRISE_REDIS_TIMEOUT must be 50 to 60000 ms");
    require(durability == "always" || durability == "everysec" || durability == "none",
            "REPRISE_DURABILITY must be always, everysec or none");
    require(beat_ms >= 50 && lease_ms >= 2 * beat_ms && lease_ms <= 3'600'000,
            "REPRISE_LEASE must be at least twice REPRISE_BEAT (50 ms or more), and at most an hour");
    // A longer time without a sweep is taken for an outage of Redis, in which no lost lease counts (sweep.lua).
    require(sweep_ms >= 50 && sweep_ms <= 60'000 && sweep_ms <= std::max(1000, lease_ms / 3),
            "REPRISE_SWEEP must be 50 to 60000 ms, and at most a third of REPRISE_LEASE");
    require(queue_ttl_s >= 1, "REPRISE_QUEUE_TTL must be at least 1 s");
    require(run_deadline_s >= 1, "REPRISE_RUN_DEADLINE must be at least 1 s");
    require(retention_s >= 1, "REPRISE_RETENTION must be at least 1 s");
    require(most_queued >= 1, "REPRISE_QUEUE_LIMIT must be at least 1");
}

redis::options common_settings::redis_options(std::string name) const {
    redis::options o;
    try {
        o.where = redis::parse_address(redis_url);
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(std::string("REPRISE_REDIS_URL: ") + e.what());
    }
    if (!redis_user.empty())
        o.where.user = redis_user;
    try {
        if (!redis_password_file.empty())
            o.where.password = read_password(redis_password_file);
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(std::string("REPRISE_REDIS_PASSWORD_FILE: ") + e.what());
    }
    o.name = std::move(name);
    o.reply_timeout = std::chrono::milliseconds(redis_timeout_ms);
    o.connect_timeout = std::chrono::milliseconds(std::min(redis_timeout_ms, 1000));
    return o;
}

queue_limits common_settings::limits() const {
    queue_limits l;
    l.lease = std::chrono::milliseconds(lease_ms);
    l.queue_ttl = std::chrono::seconds(queue_ttl_s);
    l.run_deadline = std::chrono::seconds(run_deadline_s);
    l.retention = std::chrono::seconds(retention_s);
    l.most_queued = most_queued;
    return l;
}

std::string common_settings::blob_root() const {
    require(blobs.starts_with("file:///"), "REPRISE_BLOBS must be file:///absolute/path");
    return blobs.substr(7);
}

std::optional<boost::asio::ip::tcp::endpoint> common_settings::admin_endpoint() const {
    if (admin_listen.empty())
        return std::nullopt;
    return endpoint_in("REPRISE_ADMIN_LISTEN", admin_listen);
}

boost::asio::ip::tcp::endpoint endpoint_in(const std::string& name, std::string_view text) {
    const auto colon = text.rfind(':');
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    boost::system::error_code bad;
    const auto address = boost::asio::ip::make_address(host, bad);
    require(!bad, name + " must be address:port, such as 127.0.0.1:8080 or [::1]:8080");
    const auto port = text.substr(std::min(text.size(), colon + 1));
    unsigned short n = 0;
    const auto r = std::from_chars(port.data(), port.data() + port.size(), n);
    require(colon != std::string_view::npos && !port.empty() && r.ec == std::errc() &&
                r.ptr == port.data() + port.size(),
            name + " must end in a port, 0 to 65535");
    return {address, n};
}

} // namespace reprise
