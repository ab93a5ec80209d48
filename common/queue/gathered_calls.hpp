// Calls of one function that are made in one turn of the loop, on one partition, and can be one call: what a call costs
// beside its work (a round trip's worth of system calls, parsing, what all runs have in common) is then paid once for many.
// None waits for others to come: what was asked for goes out when the turn ends, or as soon as `most` are together.
//
// The function takes `head`, then the words of each; its reply has what each is answered at `first`, `first` + 1, ... in
// their order. Used on one thread; lives longer than any call.
#pragma once
#include "common/queue/function_library.hpp"

#include <boost/asio/any_completion_handler.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace reprise {

class gathered_calls {
  public:
    // The reply of the whole call, and where in it the answer to this one is.
    struct share {
        std::shared_ptr<const redis::reply> whole;
        std::size_t place = 0;
        redis::reply_view own() const { return (*whole)[place]; }
    };

    gathered_calls(functions& f, std::string function, std::vector<std::string> head, std::size_t first);
    gathered_calls(const gathered_calls&) = delete;
    gathered_calls& operator=(const gathered_calls&) = delete;

    // Throws what functions::call throws. What Redis refuses is asked for again one by one, so that a record which is broken
    // fails only those that need it.
    boost::asio::awaitable<share> call(unsigned partition, std::vector<std::string> words);

  private:
    using handler = boost::asio::any_completion_handler<void(std::exception_ptr, share)>;
    struct asked {
        std::vector<std::string> words;
        handler done;
    };
    using batch = std::vector<asked>;

    void submit(unsigned partition, std::vector<std::string> words, handler done);
    void send(unsigned partition);
    boost::asio::awaitable<void> carry_out(unsigned partition, batch all);
    boost::asio::awaitable<redis::reply> ask(unsigned partition, const batch& some);

    functions& f_;
    const std::string function_;
    const std::vector<std::string> head_;
    const std::size_t first_;
    std::deque<batch> waiting_; // by partition
};

} // namespace reprise
