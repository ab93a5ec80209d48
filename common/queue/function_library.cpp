#include "common/queue/function_library.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"

#include <boost/algorithm/string/replace.hpp>

namespace reprise {
namespace embedded {
extern const std::string_view queue_functions;
}
namespace asio = boost::asio;

namespace {

bool is_missing_function(const redis::refused& e) {
    return e.line().starts_with("ERR Function not found") || e.line().find("NOGROUP") != std::string::npos;
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

asio::awaitable<redis::reply> functions::call_by(std::string_view verb, std::string_view name, unsigned partition,
                                                 std::vector<std::string> args, bool repeat) {
    std::vector<std::string> words{std::string(verb), function_library::embedded().prefix + std::string(name), "1",
                                   keys::prefix(partition)};
    words.insert(words.end(), std::make_move_iterator(args.begin()), std::make_move_iterator(args.end()));
    const redis::command command(words);

    // co_await is not allowed in a handler, so each try says what to do next.
    for (int attempt = 1;; ++attempt) {
        bool install_first = false;
        try {
            co_return co_await redis_.call(command);
        } catch (const redis::refused& e) {
            if (attempt > 1 || !is_missing_function(e))
                throw;
            install_first = true;
        } catch (const redis::unavailable& e) {
            if (attempt > 1 || !repeat || !e.outcome_unknown())
                throw;
        }
        if (install_first)
            co_await install();
    }
}

asio::awaitable<redis::reply> functions::call(std::string_view name, unsigned partition,
                                              std::vector<std::string> args) {
    return call_by("FCALL", name, partition, std::move(args), true);
}

asio::awaitable<redis::reply> functions::call_once(std::string_view name, unsigned partition,
                                                   std::vector<std::string> args) {
    return call_by("FCALL", name, partition, std::move(args), false);
}

asio::awaitable<redis::reply> functions::read(std::string_view name, unsigned partition,
                                              std::vector<std::string> args) {
    return call_by("FCALL_RO", name, partition, std::move(args), true);
}

} // namespace reprise
