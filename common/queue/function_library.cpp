#include "common/queue/function_library.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/time.hpp"

#include <boost/algorithm/string/replace.hpp>

namespace reprise {
namespace embedded {
extern const std::string_view queue_functions;
}
namespace asio = boost::asio;

namespace {

// A call whose reply was lost is made again, but not for another whole timeout: somebody waits for it.
constexpr std::chrono::milliseconds repeat_within{750};
constexpr std::chrono::milliseconds unused_after = std::chrono::hours(24);

bool is_missing_function(const redis::refused& e) {
    return e.line().starts_with("ERR Function not found") || e.line().find("NOGROUP") != std::string::npos;
}

template <class Words>
redis::command command_of(std::string_view verb, std::string_view name, unsigned partition, const Words& args) {
    const auto function = function_library::embedded().prefix + std::string(name), prefix = keys::prefix(partition);
    std::vector<std::string_view> words{verb, function, "1", prefix};
    words.insert(words.end(), args.begin(), args.end());
    return redis::command(std::span<const std::string_view>(words));
}

} // namespace

const function_library& function_library::embedded() {
    static const function_library library = [] {
        function_library l;
        const auto digest = sha256_hex(embedded::queue_functions).substr(0, 8);
        l.name = fmt::format("reprise_{}_{}", keys::schema, digest);
        l.prefix = fmt::format("r{}_{}_", keys::schema, digest);
        l.text = embedded::queue_functions;
        boost::algorithm::replace_all(l.text, "@LIBRARY@", l.name);
        boost::algorithm::replace_all(l.text, "@PREFIX@", l.prefix);
        return l;
    }();
    return library;
}

asio::awaitable<void> functions::install() {
    const auto& library = function_library::embedded();
    // Without REPLACE: a library of this name has this text.
    try {
        co_await redis_.call(redis::command::of("FUNCTION", "LOAD", library.text));
        log::info("functions_loaded", {{"library", library.name}});
    } catch (const redis::refused& e) {
        if (e.line().find("already exists") == std::string::npos)
            throw;
    }
    for (unsigned p = 0; p < partitions_; ++p) {
        std::vector<std::string> call{"FCALL",
                                      library.prefix + "init",
                                      "1",
                                      keys::prefix(p),
                                      std::string(keys::schema),
                                      std::string(keys::again_stream),
                                      std::string(keys::default_stream)};
        const auto answer = co_await redis_.call(redis::command(call));
        if (answer[0].text() != "ok")
            throw std::runtime_error("Redis holds schema " + std::string(answer[2].text()) +
                                     ", this program schema " + std::string(keys::schema));
    }
}

asio::awaitable<redis::reply> functions::make(redis::command command, bool repeat) {
    // co_await is not allowed in a handler, so each try says what to do next.
    bool installed = false;
    for (int attempt = 1;; ++attempt) {
        bool install_first = false;
        try {
            if (attempt > 1)
                co_return co_await redis_.call(command, std::min(repeat_within, redis_.reply_timeout()));
            co_return co_await redis_.call(command);
        } catch (const redis::refused& e) {
            if (!is_missing_function(e))
                throw;
            if (installed) // and flushed again
                throw redis::unavailable(e.line(), false);
            install_first = installed = true;
        } catch (const redis::unavailable& e) {
            if (attempt > 1 || !repeat || !e.outcome_unknown())
                throw;
        }
        if (install_first)
            co_await install();
    }
}

asio::awaitable<redis::reply> functions::call(std::string_view name, unsigned partition,
                                              const std::vector<std::string>& args) {
    return make(command_of("FCALL", name, partition, args), true);
}

asio::awaitable<redis::reply> functions::call(std::string_view name, unsigned partition,
                                              std::span<const std::string_view> args) {
    return make(command_of("FCALL", name, partition, args), true);
}

asio::awaitable<redis::reply> functions::call_once(std::string_view name, unsigned partition,
                                                   const std::vector<std::string>& args) {
    return make(command_of("FCALL", name, partition, args), false);
}

asio::awaitable<redis::reply> functions::read(std::string_view name, unsigned partition,
                                              const std::vector<std::string>& args) {
    return make(command_of("FCALL_RO", name, partition, args), true);
}

asio::awaitable<void> functions::mark_in_use() {
    co_await redis_.call(
        redis::command::of("ZADD", keys::libraries, std::to_string(wall_clock()), function_library::embedded().name));
}

asio::awaitable<void> functions::drop_unused_libraries() {
    co_await mark_in_use();
    const auto now = wall_clock();
    const auto known = co_await redis_.call(redis::command::of("FUNCTION", "LIST", "LIBRARYNAME", "reprise_*"));
    for (std::size_t i = 0; i < known.size(); ++i) {
        const std::string name(known[i][1].text()); // library_name comes first
        // One that nobody has spoken for yet has a day from now.
        co_await redis_.call(redis::command::of("ZADD", keys::libraries, "NX", std::to_string(now), name));
        const auto used = co_await redis_.call(redis::command::of("ZSCORE", keys::libraries, name));
        if (used.is_nil() || std::stod(std::string(used.text())) > static_cast<double>(now - unused_after.count()))
            continue;
        try {
            co_await redis_.call(redis::command::of("FUNCTION", "DELETE", name));
            log::info("functions_deleted", {{"library", name}});
        } catch (const redis::refused& e) {
            log::debug("functions_stay", {{"library", name}, {"why", e.line()}}); // another process was faster
        }
        co_await redis_.call(redis::command::of("ZREM", keys::libraries, name));
    }
}

} // namespace reprise
