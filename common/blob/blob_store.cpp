#include "common/blob/blob_store.hpp"

#include "common/async/on_pool.hpp"
#include "common/blob/durable_file.hpp"
#include "common/crypto/digest.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace reprise {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view marker_name = ".reprise-store";
constexpr std::size_t most_prepared = 100'000;
constexpr auto longest_lock_wait = std::chrono::seconds(5);
constexpr auto longest_disk_wait = std::chrono::seconds(5);
constexpr auto longest_write = std::chrono::seconds(30); // of one blob that came with a request
constexpr int most_waiting = 1000;

// Absence means something only in a store that is there.
void require_marker(const fs::path& root) {
    if (!read_small(root / marker_name))
        throw outage(errc::storage_unavailable, "the blob store has no marker file: is its volume mounted?");
}

} // namespace

open_blob::open_blob(open_blob&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

open_blob& open_blob::operator=(open_blob&& other) noexcept {
    std::swap(fd_, other.fd_);
    size_ = other.size_;
    return *this;
}

open_blob::~open_blob() {
    if (fd_ >= 0)
        ::close(fd_);
}

std::string open_blob::read(std::uint64_t offset, std::size_t most) const {
    std::string out(most, '\0');
    std::size_t have = 0;
    while (have < most) {
        const auto n = ::pread(fd_, out.data() + have, most - have, static_cast<off_t>(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            disk_failed("cannot read", "blob");
        if (n == 0)
            break;
        have += static_cast<std::size_t>(n);
    }
    out.resize(have);
    return out;
}

template <class Work>
asio::awaitable<std::invoke_result_t<Work&>> blob_store::in_time(Work work) {
    if (waiting_->load() >= most_waiting)
        throw outage(errc::storage_unavailable, "too much waits for the disk already");
    ++*waiting_;
    auto counted = [work = std::move(work), waiting = waiting_]() mutable {
        struct one_less {
            std::atomic<int>& n;
            ~one_less() { --n; }
        } const at_the_end{*waiting};
        return work();
    };
    auto got = co_await on_pool_within(pool_, longest_disk_wait, std::move(counted));
    if (!got)
        throw outage(errc::storage_unavailable, "the disk does not answer in time");
    co_return std::move(*got);
}

blob_store::blob_store(fs::path root, asio::thread_pool& pool) : root_(std::move(root)), pool_(pool) {}

namespace {
std::string path_of(const fs::path& root, const blob_id& b) {
    const auto& r = root.native();
    std::string p;
    p.reserve(r.size() + b.org.size() + b.sha256.size() + 5);
    p.append(r).append("/").append(b.org).append("/").append(b.sha256, 0, 2).append("/").append(b.sha256);
    return p;
}
} // namespace

fs::path blob_store::directory(const blob_id& b) const {
    return root_ / b.org / b.sha256.substr(0, 2);
}

asio::awaitable<std::string> blob_store::identify(std::string new_id, bool may_create) {
    auto work = [root = root_, new_id = std::move(new_id), may_create]() -> std::string {
        const auto marker = root / marker_name;
        if (auto id = read_small(marker))
            return *id;
        if (!may_create)
            throw outage(errc::storage_unavailable, "the blob store has no marker file: is its volume mounted?");
        make_directories(root);
        write_durably(marker, [&](int fd) { write_all(fd, new_id, marker); });
        return new_id;
    };
    co_return co_await in_time(std::move(work));
}

asio::awaitable<void> blob_store::check(std::string id) {
    const auto found = co_await identify({}, false);
    if (found != id)
        throw outage(errc::storage_unavailable, "the blob store is not the one that Redis knows");
}

asio::awaitable<std::optional<std::uint64_t>> blob_store::find(blob_id b) {
    std::vector<blob_id> one;
    one.push_back(std::move(b));
    const auto looks = co_await find_all(std::move(one));
    if (looks.front().failed)
        std::rethrow_exception(looks.front().failed);
    co_return looks.front().size;
}

asio::awaitable<std::vector<blob_store::seen>> blob_store::find_all(std::vector<blob_id> ids) {
    auto work = [root = root_, ids = std::move(ids)] {
        std::vector<seen> out(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) {
            // Of a line of equal ones, as many retries of one run make it, one look is enough.
            if (i > 0 && ids[i].sha256 == ids[i - 1].sha256 && ids[i].org == ids[i - 1].org) {
                out[i] = out[i - 1];
                continue;
            }
            try {
                out[i].size = regular_size(path_of(root, ids[i]));
                if (!out[i].size)
                    require_marker(root);
            } catch (...) {
                out[i].failed = std::current_exception();
            }
        }
        return out;
    };
    co_return co_await in_time(std::move(work));
}

asio::awaitable<std::optional<open_blob>> blob_store::open(blob_id b) {
    auto work = [root = root_, path = directory(b) / b.sha256]() -> std::optional<open_blob> {
        // NONBLOCK: a FIFO in a blob's place must not hang the pool.
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) {
            if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                disk_failed("cannot open", path);
            require_marker(root);
            return std::nullopt;
        }
        struct stat s {};
        if (::fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
            ::close(fd);
            return std::nullopt;
        }
        return open_blob(fd, static_cast<std::uint64_t>(s.st_size));
    };
    co_return co_await in_time(std::move(work));
}

// That the directory is there is not enough: whoever made it may have died before its name was safe.
void blob_store::prepare_directory(const fs::path& dir) {
    require_marker(root_); // or inputs would be written under the mount point of a volume that is not there
    {
        const std::lock_guard held(prepared_lock_);
        if (prepared_.contains(dir))
            return;
    }
    make_directory(dir.parent_path());
    make_directory(dir);
    const std::lock_guard held(prepared_lock_);
    if (prepared_.size() >= most_prepared)
        prepared_.clear();
    prepared_.insert(dir);
}

// A descriptor that holds the lock, or -1 if somebody else's is in the way. Blocking.
int blob_store::try_lock(const fs::path& dir, int how) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    prepare_directory(dir);
    descriptor d(::open(dir.c_str(), flags));
    if (d.fd < 0 && errno == ENOENT) { // somebody cleared away empty directories
        {
            const std::lock_guard held(prepared_lock_);
            prepared_.erase(dir);
        }
        prepare_directory(dir);
        d.fd = ::open(dir.c_str(), flags);
    }
    if (d.fd < 0)
        disk_failed("cannot open", dir);
    if (::flock(d.fd, how | LOCK_NB) == 0)
        return std::exchange(d.fd, -1);
    if (errno != EWOULDBLOCK && errno != EINTR)
        disk_failed("cannot lock", dir);
    return -1;
}

// Shared: puts do not harm each other, and one whose process is frozen must not stop those of others. Waits on a timer, not
// in flock: pool threads that wait for a lock whose holder needs a pool thread would wait for ever.
asio::awaitable<std::shared_ptr<const void>> blob_store::lock_for_put(const blob_id& b) {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    const auto give_up = std::chrono::steady_clock::now() + longest_lock_wait;
    for (auto wait = std::chrono::milliseconds(1);; wait = std::min(wait * 2, std::chrono::milliseconds(50))) {
        auto attempt = [this, dir = directory(b)]() -> std::shared_ptr<const void> {
            const int fd = try_lock(dir, LOCK_SH);
            return fd < 0 ? nullptr : std::make_shared<const descriptor>(fd);
        };
        auto held = co_await in_time(std::move(attempt));
        if (held)
            co_return held;
        if (std::chrono::steady_clock::now() > give_up)
            throw outage(errc::storage_unavailable, "a directory of the blob store stays locked");
        pause.expires_after(wait);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> blob_store::put(blob_id b, std::string bytes) {
    auto held = co_await lock_for_put(b);
    auto work = [held = std::move(held), path = directory(b) / b.sha256, bytes = std::move(bytes)] {
        if (regular_size(path) == bytes.size())
            sync_directory(path.parent_path()); // whoever wrote it may have died before its name was safe
        else
            write_durably(path, [&](int fd) { write_all(fd, bytes, path); });
        return true;
    };
    if (!co_await on_pool_within(pool_, longest_write, std::move(work)))
        throw outage(errc::storage_unavailable, "the disk does not write in time");
}

asio::awaitable<void> blob_store::put_file(blob_id b, fs::path file) {
    const auto held = co_await lock_for_put(b);
    auto work = [path = directory(b) / b.sha256, file = std::move(file)] {
        const auto size = regular_size(file);
        if (!size)
            throw outage(errc::storage_unavailable, "the file to be stored is gone");
        if (regular_size(path) == size) {
            sync_directory(path.parent_path());
            return;
        }
        const open_blob from(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW), *size);
        write_durably(path, [&](int fd) {
            constexpr std::size_t piece = 1 << 20;
            for (std::uint64_t at = 0; at < *size; at += piece)
                write_all(fd, from.read(at, piece), path);
        });
    };
    co_await on_pool(pool_, std::move(work));
}

asio::awaitable<std::vector<blob_id>> blob_store::old_files(std::chrono::hours age) {
    auto work = [root = root_, age] {
        std::vector<fs::path> fans;
        std::vector<blob_id> out;
        const auto before = fs::file_time_type::clock::now() - age;
        for (const auto& org : fs::directory_iterator(root))
            if (org.is_directory())
                for (const auto& fan : fs::directory_iterator(org.path()))
                    fans.push_back(fan.path());
        if (fans.empty())
            return out;
        std::uint32_t dice = 0;
        fill_random(&dice, sizeof dice);
        const auto& fan = fans[dice % fans.size()];
        for (const auto& file : fs::directory_iterator(fan)) {
            std::error_code ec;
            if (fs::last_write_time(file.path(), ec) > before || ec)
                continue;
            const auto name = file.path().filename().string();
            if (is_sha256_hex(name))
                out.emplace_back(fan.parent_path().filename().string(), name);
            else if (name.starts_with(temporary_prefix)) // of a process that died while it wrote
                ::unlink(file.path().c_str());
        }
        return out;
    };
    try {
        co_return co_await on_pool(pool_, std::move(work));
    } catch (const fs::filesystem_error& e) {
        throw outage(errc::storage_unavailable, e.what());
    }
}

asio::awaitable<bool> blob_store::drop(blob_id b, std::function<asio::awaitable<bool>()> due) {
    auto attempt = [this, dir = directory(b)] { return try_lock(dir, LOCK_EX); };
    const descriptor held(co_await on_pool(pool_, std::move(attempt)));
    if (held.fd < 0 || !co_await due()) // somebody is putting there: a later sweep comes by again
        co_return false;
    auto work = [path = directory(b) / b.sha256] {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT)
            disk_failed("cannot remove", path);
    };
    co_await on_pool(pool_, std::move(work));
    co_return true;
}

} // namespace reprise
