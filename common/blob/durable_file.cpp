#include "common/blob/durable_file.hpp"

#include "common/crypto/digest.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace reprise {
namespace fs = std::filesystem;

[[noreturn]] void disk_failed(const char* what, const fs::path& where) {
    throw outage(errc::storage_unavailable,
                 std::string(what) + " " + where.filename().string() + ": " + std::strerror(errno));
}

void write_all(int fd, std::string_view bytes, const fs::path& where) {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            disk_failed("cannot write", where);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void sync_directory(const fs::path& dir) {
    const descriptor d(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (d.fd < 0 || ::fsync(d.fd) != 0)
        disk_failed("cannot sync", dir);
}

void make_directory(const fs::path& dir) {
    if (::mkdir(dir.c_str(), 0750) != 0 && errno != EEXIST)
        disk_failed("cannot make", dir);
    sync_directory(dir.parent_path());
}

void make_directories(const fs::path& dir) {
    std::error_code ec;
    if (fs::is_directory(dir, ec))
        return;
    make_directories(dir.parent_path());
    make_directory(dir);
}

void write_durably(const fs::path& target, const std::function<void(int)>& fill) {
    const auto temporary = target.parent_path() / (std::string(temporary_prefix) + random_base32(16));
    descriptor d(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (d.fd < 0)
        disk_failed("cannot make", temporary);
    try {
        fill(d.fd);
        if (::fsync(d.fd) != 0)
            disk_failed("cannot sync", temporary);
        if (::rename(temporary.c_str(), target.c_str()) != 0)
            disk_failed("cannot rename", temporary);
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    sync_directory(target.parent_path());
}

std::optional<std::uint64_t> regular_size(const fs::path& p) {
    struct stat s {};
    if (::lstat(p.c_str(), &s) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return std::nullopt;
        disk_failed("cannot look at", p);
    }
    if (!S_ISREG(s.st_mode))
        return std::nullopt;
    return static_cast<std::uint64_t>(s.st_size);
}

std::optional<std::string> read_small(const fs::path& p) {
    const descriptor d(::open(p.c_str(), O_RDONLY | O_CLOEXEC));
    if (d.fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return std::nullopt;
        disk_failed("cannot open", p);
    }
    std::string s(256, '\0');
    const auto n = ::read(d.fd, s.data(), s.size());
    if (n < 0)
        disk_failed("cannot read", p);
    s.resize(static_cast<std::size_t>(n));
    return s;
}

} // namespace reprise
