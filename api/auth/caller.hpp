#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

// The organisation of operators' keys, which are good for all of them. No organisation can have this name.
inline constexpr std::string_view every_org = "*";

// Who makes a request, as its key says; of an operator, the organisation is the one for which the call is made (acting.hpp).
struct caller {
    std::string key_id, org, user;
    unsigned partition = 0;
    std::vector<std::string> scopes;
    bool is_operator = false;

    // What an organisation's key may do to its runs, `ops:` keys may do to everybody's.
    bool has(std::string_view scope) const {
        return holds(scope) || (is_operator && ((scope == "runs:read" && holds("ops:read")) ||
                                                (scope == "runs:write" && holds("ops:write"))));
    }
    bool acts_for_all() const { return org == every_org; }
    // In events and histories: who did it.
    std::string actor() const { return "user:" + user + "/key:" + key_id; }

  private:
    bool holds(std::string_view scope) const { return std::ranges::find(scopes, scope) != scopes.end(); }
};

} // namespace reprise::api
