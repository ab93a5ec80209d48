// A request as handlers see it and a response as they make it: no sockets, no Beast beyond its header container.
#pragma once
#include "api/auth/caller.hpp"
#include "common/blob/blob_store.hpp"
#include "common/error.hpp"
#include "common/json/text_fields.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

namespace http = boost::beast::http;
class peer;

struct request {
    http::verb method{};
    std::string path;                                      // as sent: never decoded, never normalised
    std::vector<std::string> parameters;                   // what stood in the route's {places}
    std::map<std::string, std::string, std::less<>> query; // percent-decoded; the first of equal names
    const http::fields* fields =
        nullptr;             // outlive the handler; trailers, which would be merged into them, are refused
    json::text_fields body;  // members of the JSON body that the route names
    std::string body_digest; // of the bytes as sent; only with an Idempotency-Key
    std::string id;          // of the request, in logs and in X-Request-Id
    std::string trace;       // the caller's traceparent, if it is well-formed
    const struct route* route = nullptr; // null until it is found
    caller who;                          // empty on routes without access control
    peer* from = nullptr;                // who waits for the answer; outlives the handler

    std::string_view header(http::field f) const { return (*fields)[f]; }
    std::string_view header(std::string_view name) const { return (*fields)[name]; }
    std::string text(std::string_view member) const {
        const auto found = body.find(member);
        return found == body.end() ? std::string() : found->second;
    }
};

// Of the query; empty if absent. Lives as long as `req`.
std::string_view query_text(const request& req, std::string_view name);

// Part of a blob, streamed from disk.
struct blob_body {
    open_blob blob;
    std::uint64_t offset = 0, size = 0;
};

// An answer that is sent piece by piece as things happen.
class event_source {
  public:
    virtual ~event_source() = default;
    // The next piece; an empty one ends the answer. Throws outage.
    virtual boost::asio::awaitable<std::string> next() = 0;
};

struct response {
    unsigned status = 200;
    std::optional<errc> refused;                              // why, if it is a refusal
    std::vector<std::pair<std::string, std::string>> headers; // beside Content-Type and Content-Length
    std::string content_type = "application/json";
    std::string body;
    std::optional<blob_body> blob;        // instead of body
    std::unique_ptr<event_source> events; // instead of body

    response& with(std::string_view name, std::string_view value);
    response& instead(std::string_view name, std::string_view value); // of what it says under this name, if anything
};

response json_response(unsigned status, std::string body);

// {"error", "message"?}, or a problem document (RFC 9457) around them when `accept` asks for one.
response error_response(const failure& f, std::string_view accept = {});

} // namespace reprise::api
