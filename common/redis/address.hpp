// Where Redis is, from a URL: redis://[user[:password]@]host[:port][/db], unix:///path.
#pragma once
#include "common/error.hpp"

#include <string>
#include <string_view>

namespace reprise::redis {

struct address {
    std::string host; // empty for a unix socket
    std::string port = "6379";
    std::string path; // of the unix socket
    std::string user;
    std::string password;
    int database = 0;

    std::string shown() const; // without user and password
};

// Throws std::invalid_argument that says what is wrong. rediss:// is refused by name until TLS is built.
address parse_address(std::string_view url);

} // namespace reprise::redis
