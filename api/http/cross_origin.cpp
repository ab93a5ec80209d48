#include "api/http/cross_origin.hpp"

#include <boost/algorithm/string/split.hpp>

namespace reprise::api {

cross_origin::cross_origin(std::string_view origins) {
    boost::algorithm::split(origins_, origins, [](char c) { return c == ',' || c == ' '; });
    origins_.erase("");
}

void cross_origin::allow(const http::fields& request, response& r) const {
    if (origins_.empty())
        return;
    r.with("Vary", "Origin"); // the answer to another origin is another one
    const std::string_view origin = request[http::field::origin];
    if (!origins_.contains(origin))
        return;
    r.with("Access-Control-Allow-Origin", origin);
    r.with("Access-Control-Expose-Headers",
           "ETag, Idempotent-Replayed, Link, Location, Preference-Applied, RateLimit, "
           "RateLimit-Policy, Retry-After, X-Request-Id");
}

void cross_origin::allow_preflight(const http::fields& request, std::string_view methods, response& r) const {
    if (!origins_.contains(std::string_view(request[http::field::origin])))
        return;
    r.with("Access-Control-Allow-Methods", methods);
    r.with("Access-Control-Allow-Headers",
           "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
           "Prefer, traceparent");
    r.with("Access-Control-Max-Age", "600");
}

} // namespace reprise::api
