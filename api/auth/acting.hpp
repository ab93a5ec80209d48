// For whom an operator's call is made. An operator's key belongs to no organisation; the run, the project or the `org` that a
// call names says whose matter it is, and from then on the call is handled as if that organisation had made it.
#pragma once
#include "api/http/message.hpp"
#include "api/services.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace reprise::api {

// Sets the caller's organisation and partition. What does not exist, or is not of the `org` that is named as well, is not found. A
// call that names nothing stays one for all, which is invalid_parameter unless the route `covers_all`. Throws outage.
boost::asio::awaitable<std::optional<failure>> act_for_owner(request& req, bool covers_all, services& s);

struct organisation {
    std::string name;
    unsigned partition = 0;
};

// Those that a call is about: the caller's, or all; with too many of these, the caller has to name one.
boost::asio::awaitable<result<std::vector<organisation>>> organisations_of(const caller& who, services& s);

} // namespace reprise::api
