// Looks for blobs that are asked for in one turn of the loop, as one piece of work for the disk's threads: waking a thread and
// being woken by it costs far more than to see whether a file is there. Used on one thread; lives longer than any look.
#pragma once
#include "common/blob/blob_store.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <exception>
#include <optional>
#include <vector>

namespace reprise {

class gathered_looks {
  public:
    gathered_looks(boost::asio::any_io_executor ex, blob_store& blobs) : executor_(std::move(ex)), blobs_(blobs) {}
    gathered_looks(const gathered_looks&) = delete;
    gathered_looks& operator=(const gathered_looks&) = delete;

    // As blob_store::find.
    boost::asio::awaitable<std::optional<std::uint64_t>> find(blob_id b);

  private:
    using handler = boost::asio::any_completion_handler<void(std::exception_ptr, std::optional<std::uint64_t>)>;
    void submit(blob_id b, handler done);
    void look();
    boost::asio::awaitable<void> carry_out(std::vector<blob_id> ids, std::vector<handler> askers);

    const boost::asio::any_io_executor executor_;
    blob_store& blobs_;
    std::vector<blob_id> ids_;
    std::vector<handler> askers_;
};

} // namespace reprise
