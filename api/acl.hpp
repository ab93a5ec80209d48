// `reprise-api acl`: the users of Redis (common/queue/redis_users.hpp) with their passwords, as an ACL file.
#pragma once
#include <string>

namespace reprise::api {

struct acl_order {
    std::string passwords; // directory with one file per user
    bool make = false;     // make the files that are missing
};

// Writes it to standard output, passwords as SHA-256 only. Throws std::invalid_argument that names the file that will not do.
void print_acl(const acl_order& order);

} // namespace reprise::api
