// Administration from the command line: keys, organisations, projects. Each command makes one connection, says
// what it did on standard output, and ends.
#pragma once
#include "api/settings.hpp"

#include <string>

namespace reprise::api {

struct admin_order {
    enum class kind { keys_create, keys_list, keys_revoke, keys_rotate, orgs_set, projects_archive } what{};
    std::string org, user, scopes, plan, runs_per_month, id;
    int expires_in_days = 0; // 0: never
    int grace_hours = 24;    // that a rotated key still works
    bool json = false;
};

// Exit status: 0, 1 when Redis or the order refuses, with the reason on standard error.
int administrate(const api_settings& settings, const admin_order& order);

} // namespace reprise::api
