#include "api/acl.hpp"

#include "common/crypto/digest.hpp"
#include "common/queue/redis_users.hpp"
#include "common/settings.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <stdexcept>

namespace reprise::api {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t characters = 40; // 200 bits

// For its owner alone from the first moment on; one that is there stays as it is.
void make_password(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return;
    const auto line = random_base32(characters) + "\n";
    const bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    const std::string why = std::strerror(errno);
    if (fd >= 0)
        ::close(fd);
    if (!written)
        throw std::invalid_argument("cannot write " + file.string() + ": " + why);
}

std::string password_of(const fs::path& file) {
    auto password = read_password(file);
    if (password.empty())
        throw std::invalid_argument(file.string() + " is empty");
    return "#" + sha256_hex(password);
}

} // namespace

void print_acl(const acl_order& order) {
    const fs::path directory = order.passwords;
    std::string text;
    // The operator's own user, who may do everything; without a password there is none, and nobody comes in unnamed.
    const auto own = directory / "default";
    text += fs::exists(own) ? "user default on " + password_of(own) + " ~* &* +@all\n" : "user default off\n";
    for (const auto& user : redis_users) {
        const auto file = directory / user.name;
        if (order.make)
            make_password(file);
        text += "user " + std::string(user.name) + " on " + password_of(file) + std::string(user.rules) + "\n";
    }
    std::cout << text;
}

} // namespace reprise::api
