#include "common/queue/gathered_calls.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise {
namespace asio = boost::asio;

namespace {

// Redis works on the first while the next are being made: two cores are busy instead of one after the other.
constexpr std::size_t most_together = 16;

} // namespace

gathered_calls::gathered_calls(functions& f, std::string function, std::vector<std::string> head, std::size_t first)
    : f_(f), function_(std::move(function)), head_(std::move(head)), first_(first), waiting_(f.partitions()) {}

asio::awaitable<gathered_calls::share> gathered_calls::call(unsigned partition, std::vector<std::string> words) {
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, share)>(
        [](auto done, gathered_calls& self, unsigned p, std::vector<std::string>& w) {
            self.submit(p, std::move(w), std::move(done));
        },
        asio::use_awaitable, std::ref(*this), partition, std::ref(words));
}

void gathered_calls::submit(unsigned partition, std::vector<std::string> words, handler done) {
    auto& together = waiting_.at(partition);
    together.push_back({std::move(words), std::move(done)});
    if (together.size() >= most_together)
        send(partition);
    else if (together.size() == 1)
        asio::post(f_.redis().executor(), [this, partition] { send(partition); });
}

void gathered_calls::send(unsigned partition) {
    auto& together = waiting_.at(partition);
    if (together.empty())
        return; // they were enough, and went before the turn ended
    // Nobody waits for the coroutine itself: whatever it comes to, it tells those who asked.
    asio::co_spawn(f_.redis().executor(), carry_out(partition, std::exchange(together, {})), asio::detached);
}

asio::awaitable<redis::reply> gathered_calls::ask(unsigned partition, const batch& some) {
    std::vector<std::string_view> words(head_.begin(), head_.end());
    for (const auto& a : some)
        words.insert(words.end(), a.words.begin(), a.words.end());
    return f_.call(function_, partition, words);
}

asio::awaitable<void> gathered_calls::carry_out(unsigned partition, batch all) {
    std::shared_ptr<const redis::reply> whole;
    std::exception_ptr failed;
    bool refused = false;
    try {
        whole = std::make_shared<const redis::reply>(co_await ask(partition, all));
        if (whole->size() != first_ + all.size())
            throw redis::unexpected_reply(function_ + " answered " + std::to_string(whole->size()) + " elements to " +
                                          std::to_string(all.size()) + " calls");
    } catch (const redis::refused&) {
        failed = std::current_exception();
        refused = true;
    } catch (...) {
        failed = std::current_exception();
    }
    if (refused && all.size() > 1) {
        for (auto& one : all) { // side by side: each has its own deadline, not what the others leave of it
            batch alone;
            alone.push_back(std::move(one));
            asio::co_spawn(f_.redis().executor(), carry_out(partition, std::move(alone)),
                           asio::detached); // as in send()
        }
        co_return;
    }
    for (std::size_t i = 0; i < all.size(); ++i)
        std::move(all[i].done)(failed, share{whole, first_ + i});
}

} // namespace reprise
