// What Beast's parser of 1.81 to 1.91 lets through and must not reach anyone: request smuggling through
// contradictory or unknown framing, and fields that a proxy in front may read otherwise. Pure; called when the
// header is complete.
#pragma once
#include "common/error.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include <optional>

namespace reprise::api {

// Nothing if the header is sound. Every refusal here closes the connection.
std::optional<failure> check_framing(const boost::beast::http::request_header<>& header);

} // namespace reprise::api
