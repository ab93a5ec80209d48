// Content-addressed blobs on disk: <root>/<org>/<aa>/<sha256>, each written once, whole, and never changed.
//
// A blob exists for others only under its final name: it is written to a temporary file beside it, synced,
// renamed, and the directory synced. What may be dropped and when is decided in Redis (`retained`); the order
// that keeps a put and a drop from crossing is: a put pins in Redis first and then takes the lock of the directory,
// shared with other puts; a drop takes the lock alone or comes again later, asks Redis, unlinks.
//
// Disk work runs on the pool that is passed in. Expected absence is a value; anything else that is wrong with
// the disk (EIO, EACCES, a volume that is not mounted) throws outage(storage_unavailable).
#pragma once
#include "common/error.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace reprise {

struct blob_id {
    // A constructor, because gcc 12 copies aggregates made within a co_await expression bit by bit.
    blob_id(std::string o, std::string sha) : org(std::move(o)), sha256(std::move(sha)) {}
    std::string org;
    std::string sha256;
};

// An open blob, read at any offset. Stays readable when it is dropped meanwhile.
class open_blob {
  public:
    open_blob() = default;
    open_blob(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
    open_blob(open_blob&& other) noexcept;
    open_blob& operator=(open_blob&& other) noexcept;
    ~open_blob();

    std::uint64_t size() const { return size_; }
    // Blocking: call it on a pool. Fewer bytes than asked for only at the end; throws outage.
    std::string read(std::uint64_t offset, std::size_t most) const;

  private:
    int fd_ = -1;
    std::uint64_t size_ = 0;
};

// A look, and a read of the first kind, is waited for 5 s, a blob to be written (put) for 30 s; then it is an outage.
class blob_store {
  public:
    // `pool` must outlive the store. `org` names in ids must have passed is_org_name (common/run/org.hpp).
    blob_store(std::filesystem::path root, boost::asio::thread_pool& pool);

    // The id in the store's marker file; makes root and marker with `new_id` if the marker is missing and that is
    // allowed.
    boost::asio::awaitable<std::string> identify(std::string new_id, bool may_create);
    // Throws outage unless the marker says `id`: the volume is mounted and can be read.
    boost::asio::awaitable<void> check(std::string id);

    // Size of a whole regular file, or nothing: absent, or something else stands in its place. Without the
    // marker nothing is absent: then both throw outage.
    boost::asio::awaitable<std::optional<std::uint64_t>> find(blob_id b);
    // The same for many at once; what is wrong with one of them is that one's.
    struct seen {
        std::optional<std::uint64_t> size;
        std::exception_ptr failed; // find would have thrown it
    };
    boost::asio::awaitable<std::vector<seen>> find_all(std::vector<blob_id> ids);
    boost::asio::awaitable<std::optional<open_blob>> open(blob_id b);
    // The caller has pinned the blob. Writes nothing if it is there with the right size already.
    boost::asio::awaitable<void> put(blob_id b, std::string bytes);
    boost::asio::awaitable<void> put_file(blob_id b, std::filesystem::path file);
    // Unlinks the blob if `due` says so, which is asked under the lock; false if not, or if it cannot be had now.
    boost::asio::awaitable<bool> drop(blob_id b, std::function<boost::asio::awaitable<bool>()> due);

    // Blobs of one fan-out directory, taken at random, that are older than `age`: candidates for drop, should Redis
    // know nothing of them. Removes abandoned temporary files as it goes. Small steps, so that it can be called
    // every minute.
    boost::asio::awaitable<std::vector<blob_id>> old_files(std::chrono::hours age);

  private:
    // Disk I/O that somebody waits for. Throws outage when the disk does not answer in time, or when too much waits for it
    // already. `work` owns what it captures: on a disk that hangs, it goes on.
    template <class Work>
    boost::asio::awaitable<std::invoke_result_t<Work&>> in_time(Work work);
    boost::asio::awaitable<std::shared_ptr<const void>> lock_for_put(const blob_id& b); // held while it lives
    int try_lock(const std::filesystem::path& dir, int how);
    void prepare_directory(const std::filesystem::path& dir);
    std::filesystem::path directory(const blob_id& b) const;

    const std::filesystem::path root_;
    boost::asio::thread_pool& pool_;
    const std::shared_ptr<std::atomic<int>> waiting_ =
        std::make_shared<std::atomic<int>>(0); // pieces of work, begun or not
    std::mutex prepared_lock_;
    std::set<std::filesystem::path> prepared_; // directories that this process has made, and made safe
};

} // namespace reprise
