// The Lua library (functions/*.lua): its name, its text, and how it gets into Redis and is called there.
#pragma once
#include "common/redis/connection.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reprise {

// Library and functions are named after the schema and the text's digest (`reprise_1_0a1b2c3d`,
// `r1_0a1b2c3d_accept`): names are global in Redis, and two builds must neither shadow nor fail each other.
struct function_library {
    std::string name;
    std::string prefix; // of every function's name
    std::string text;

    static const function_library& embedded();
};

// Calls functions over one connection. Lives as long as the connection; used on its thread.
class functions {
  public:
    functions(redis::connection& c, unsigned partitions) : redis_(c), partitions_(partitions) {}

    // Loads the library and makes what it needs in every partition. Safe to repeat, and from many processes at
    // once. Throws std::runtime_error when Redis holds another schema.
    boost::asio::awaitable<void> install();

    // Calls function `name` on a partition. A missing library (restart without AOF, FUNCTION FLUSH) is installed and
    // the call made again; a call whose reply was lost is repeated with the same arguments, which all functions
    // allow. The arguments are needed no longer than until this returns.
    boost::asio::awaitable<redis::reply> call(std::string_view name, unsigned partition,
                                              const std::vector<std::string>& args);
    boost::asio::awaitable<redis::reply> call(std::string_view name, unsigned partition,
                                              std::span<const std::string_view> args);
    // The same without the repetition: for the one function whose repeated call must say that it is one (claim).
    boost::asio::awaitable<redis::reply> call_once(std::string_view name, unsigned partition,
                                                   const std::vector<std::string>& args);
    // The same as call by FCALL_RO, for functions that write nothing.
    boost::asio::awaitable<redis::reply> read(std::string_view name, unsigned partition,
                                              const std::vector<std::string>& args);

    // Says that this program's library is in use, which it must say at least daily.
    boost::asio::awaitable<void> mark_in_use();
    // Marks, and deletes libraries of other builds that nobody has said this of for a day. A program that comes back
    // after longer than that loads its own again.
    boost::asio::awaitable<void> drop_unused_libraries();

    redis::connection& redis() { return redis_; }
    unsigned partitions() const { return partitions_; }

  private:
    boost::asio::awaitable<redis::reply> make(redis::command call, bool repeat);
    redis::connection& redis_;
    unsigned partitions_;
};

} // namespace reprise
