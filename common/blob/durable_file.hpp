// Files that are whole or not there, also after a power cut. Blocking; failures of the disk are outages.
#pragma once
#include "common/error.hpp"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace reprise {

// Files that begin so are being written, or were when their process died.
inline constexpr std::string_view temporary_prefix = ".tmp-";

// outage storage_unavailable, with errno.
[[noreturn]] void disk_failed(const char* what, const std::filesystem::path& where);

struct descriptor {
    int fd; // -1: none
    explicit descriptor(int f) : fd(f) {}
    ~descriptor() {
        if (fd >= 0)
            ::close(fd);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
};

void write_all(int fd, std::string_view bytes, const std::filesystem::path& where);
void sync_directory(const std::filesystem::path& dir);

// A directory's name is safe once its parent is synced; fsync of a file says nothing of the path that leads to it.
void make_directory(const std::filesystem::path& dir);
void make_directories(const std::filesystem::path& dir);

// A temporary file that `fill` writes, synced, renamed, its directory synced. An fsync that failed is final for the file (the
// kernel may have dropped the dirty pages): it is removed, never retried.
void write_durably(const std::filesystem::path& target, const std::function<void(int)>& fill);

// Of a regular file; nothing if it is absent or something else.
std::optional<std::uint64_t> regular_size(const std::filesystem::path& p);

// The first 256 bytes of a file; nothing if it is absent.
std::optional<std::string> read_small(const std::filesystem::path& p);

} // namespace reprise
