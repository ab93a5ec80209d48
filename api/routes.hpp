// Which path leads to which handler, and what a caller must be allowed.
#pragma once
#include "api/handlers/handlers.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

// A member of a request's body: text, at most so many characters, without NUL.
struct body_field {
    std::string_view name;
    std::size_t most_characters;
};

struct route {
    http::verb method;
    std::string_view path;  // segments in braces match any one segment
    std::string_view scope; // empty: open to all; any: to every key
    std::size_t body_limit; // bytes; 0: no body is taken
    std::span<const body_field> body;
    handled (*handle)(request&, services&);
    bool covers_all = false; // an operator may call it without saying for which organisation
};

std::span<const route> all_routes();

// The members that the route names, of a body as it was sent: malformed and overlong ones are refused here for all.
result<json::text_fields> read_fields(const route& r, std::string body);

struct match {
    const route* found = nullptr; // null: see `allowed`
    std::vector<std::string> parameters;
    std::string allowed; // methods of this path, for Allow; empty if there is no such path
};

// `path` as sent. Segments are compared byte by byte: nothing is decoded or normalised.
match match_route(http::verb method, std::string_view path);

} // namespace reprise::api
