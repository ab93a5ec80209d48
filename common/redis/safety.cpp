#include "common/redis/safety.hpp"

#include <charconv>

namespace reprise::redis {
namespace asio = boost::asio;

namespace {

constexpr int oldest_major = 7;

// The first setting that is not as it must be, told by `CONFIG GET`.
asio::awaitable<std::string> configured(connection& c, std::string name) {
    const auto answer = co_await c.call(command::of("CONFIG", "GET", name));
    co_return answer.size() == 2 ? std::string(answer[1].text()) : std::string();
}

asio::awaitable<std::string> gap(connection& c, std::string durability) {
    if (co_await configured(c, "appendonly") != "yes")
        co_return "Redis runs without its append-only file";
    const auto fsync = co_await configured(c, "appendfsync");
    if (fsync != "always" && fsync != durability)
        co_return "Redis is set to appendfsync " + fsync + ", not " + durability;
    if (co_await configured(c, "maxmemory-policy") != "noeviction")
        co_return "Redis may evict keys: maxmemory-policy is not noeviction";
    co_return "";
}

} // namespace

asio::awaitable<void> require_version(connection& c) {
    const auto info = co_await c.call(command::of("INFO", "server"));
    constexpr std::string_view field = "redis_version:"; // Valkey says the version of Redis that it stands for
    const auto text = info.text();
    const auto at = text.find(field);
    if (at == std::string_view::npos)
        throw std::runtime_error("Redis does not tell its version");
    const auto version = text.substr(at + field.size(), text.find('\r', at) - at - field.size());
    int major = 0;
    std::from_chars(version.data(), version.data() + version.size(), major);
    if (major < oldest_major)
        throw std::runtime_error("Redis is version " + std::string(version) + "; 7.0 or newer is needed");
}

asio::awaitable<std::string> safety_gap(connection& c, std::string durability) {
    if (durability == "none")
        co_return "";
    std::string unseen;
    try {
        co_return co_await gap(c, durability);
    } catch (const refused& e) { // a managed Redis may hide its settings
        unseen = e.line();
    } catch (const unavailable& e) { // and an ACL may
        unseen = e.what();
        if (!unseen.starts_with("NOPERM"))
            throw;
    }
    co_return "Redis' settings cannot be seen (" + unseen + "); REPRISE_DURABILITY=none goes without";
}

} // namespace reprise::redis
