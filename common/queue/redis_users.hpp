// The users of Redis that the programs and whoever monitors are to have, each with what it needs and nothing else.
// `reprise-api acl` prints them as Redis' `aclfile`.
//
// A function runs with the rights of who calls it: a user needs every command inside the functions that its program calls.
// tests/system/test_acl.py compares these rules with what the sources say, command by command, both ways.
#pragma once
#include <array>
#include <string_view>

namespace reprise {

struct redis_user {
    std::string_view name;
    std::string_view rules; // as in an ACL file, after the password
};

extern const std::array<redis_user, 4> redis_users;

} // namespace reprise
