#pragma once
#include <sys/resource.h>

#include <algorithm>

namespace reprise::api {

// Takes as many open files as the system lets us have, and answers how many of them can be connections.
inline unsigned room_for_connections() {
    constexpr rlim_t for_the_rest = 256; // Redis, blobs, libraries
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 512;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
    return static_cast<unsigned>(std::clamp<rlim_t>(files.rlim_cur, for_the_rest + 64, 1 << 24) - for_the_rest);
}

} // namespace reprise::api
