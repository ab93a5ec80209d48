// A private Redis on a unix socket in a directory of its own, for one test program.
#pragma once
#include "common/redis/address.hpp"

#include <filesystem>
#include <string>

namespace reprise::test {

class redis_server {
  public:
    redis_server();  // returns when it answers; throws if it does not within 10 s
    ~redis_server(); // kills it and removes its directory
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;

    redis::address address() const;
    const std::filesystem::path& directory() const { return directory_; }
    void stop();              // SIGKILL
    void start();             // with the data that is on disk
    void freeze(bool frozen); // SIGSTOP, SIGCONT

  private:
    std::filesystem::path directory_;
    int pid_ = 0;
};

} // namespace reprise::test
