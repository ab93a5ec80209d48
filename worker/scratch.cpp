#include "worker/scratch.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "worker/steps/workspace.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <stdexcept>

namespace reprise::worker {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view prefix = "reprise-scratch-";

// A descriptor that holds the directory's lock, or -1.
int try_lock(const fs::path& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

void remove_abandoned(const fs::path& parent) {
    std::error_code ec;
    for (auto it = fs::directory_iterator(parent, ec); !ec && it != fs::directory_iterator(); it.increment(ec)) {
        if (!it->path().filename().string().starts_with(prefix))
            continue;
        const int lock = try_lock(it->path());
        if (lock < 0)
            continue; // its worker lives, or it is another user's
        remove_tree(it->path());
        ::close(lock);
        log::info("scratch_removed", {{"directory", it->path().string()}});
    }
}

} // namespace

scratch::scratch(const fs::path& parent, const std::string& worker) {
    remove_abandoned(parent);
    const auto name = worker + "-" + random_base32(6);
    // Under a name that nobody clears away until it is locked.
    const auto unlocked = parent / ("reprise-new-" + name);
    path_ = parent / (std::string(prefix) + name);
    std::error_code ec;
    fs::create_directory(unlocked, ec);
    if (!ec)
        fs::permissions(unlocked, fs::perms::owner_all, ec);
    lock_ = ec ? -1 : try_lock(unlocked);
    if (lock_ >= 0)
        fs::rename(unlocked, path_, ec);
    if (lock_ < 0 || ec)
        throw std::invalid_argument("REPRISE_WORK_DIR: cannot make a directory in " + parent.string());
}

scratch::~scratch() {
    remove_tree(path_);
    if (lock_ >= 0)
        ::close(lock_);
}

} // namespace reprise::worker
