#include "common/blob/gathered_looks.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace reprise {
namespace asio = boost::asio;

namespace {
constexpr std::size_t most_together = 32; // on a slow disk they must not keep each other from their deadline
}

asio::awaitable<std::optional<std::uint64_t>> gathered_looks::find(blob_id b) {
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                            void(std::exception_ptr, std::optional<std::uint64_t>)>(
        [](auto done, gathered_looks& self, blob_id& id) { self.submit(std::move(id), std::move(done)); },
        asio::use_awaitable, std::ref(*this), std::ref(b));
}

void gathered_looks::submit(blob_id b, handler done) {
    ids_.push_back(std::move(b));
    askers_.push_back(std::move(done));
    if (ids_.size() >= most_together)
        look();
    else if (ids_.size() == 1)
        asio::post(executor_, [this] { look(); });
}

void gathered_looks::look() {
    if (ids_.empty())
        return; // they were enough, and went before the turn ended
    // Nobody waits for the coroutine itself: whatever it comes to, it tells those who asked.
    asio::co_spawn(executor_, carry_out(std::exchange(ids_, {}), std::exchange(askers_, {})), asio::detached);
}

asio::awaitable<void> gathered_looks::carry_out(std::vector<blob_id> ids, std::vector<handler> askers) {
    std::vector<blob_store::seen> all;
    try {
        all = co_await blobs_.find_all(std::move(ids));
    } catch (...) { // the disk does not answer
        const blob_store::seen nothing{std::nullopt, std::current_exception()};
        all.assign(askers.size(), nothing);
    }
    for (std::size_t i = 0; i < askers.size(); ++i)
        std::move(askers[i])(all[i].failed, all[i].size);
}

} // namespace reprise
