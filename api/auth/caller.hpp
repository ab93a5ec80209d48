#pragma once
#include <string>
#include <vector>

namespace reprise::api {

// Who makes a request, as its key says.
struct caller {
    std::string key_id, org, user;
    unsigned partition = 0;
    std::vector<std::string> scopes;

    bool has(std::string_view scope) const {
        for (const auto& s : scopes)
            if (s == scope)
                return true;
        return false;
    }
    // In events and histories: who did it.
    std::string actor() const { return "user:" + user + "/key:" + key_id; }
};

} // namespace reprise::api
