#include "api/http/framing.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace reprise::api {
namespace http = boost::beast::http;

namespace {

failure bad(const char* why) {
    return {errc::bad_request, why};
}

} // namespace

std::optional<failure> check_framing(const http::request_header<>& h) {
    if (h.version() != 10 && h.version() != 11)
        return bad("only HTTP/1.0 and HTTP/1.1 are spoken here");
    const auto lengths = h.count(http::field::content_length), codings = h.count(http::field::transfer_encoding);
    if (codings > 0) {
        if (lengths > 0)
            return bad("Content-Length and Transfer-Encoding contradict each other");
        if (h.version() == 10)
            return bad("HTTP/1.0 has no Transfer-Encoding");
        if (codings > 1 || !boost::beast::iequals(h[http::field::transfer_encoding], "chunked"))
            return failure{errc::not_implemented, "the only transfer coding understood is chunked"};
    }
    if (lengths > 1 ||
        (lengths == 1 && h[http::field::content_length].find_first_not_of("0123456789") != std::string_view::npos))
        return bad("Content-Length must be one number");
    if (h.count(http::field::trailer) > 0)
        return bad("trailers are not accepted");
    if (h.count(http::field::host) > 1 || (h.version() == 11 && h.count(http::field::host) == 0))
        return bad("one Host is needed");
    if (h.count(http::field::authorization) > 1)
        return failure{errc::unauthorized, ""};
    const auto target = h.target();
    if (target.size() > 2048)
        return failure{errc::uri_too_long, ""};
    if (!target.starts_with('/') ||
        std::ranges::any_of(target, [](char c) { return c <= 0x20 || c >= 0x7f || c == '#'; }))
        return bad("the request target must be a path of visible ASCII");
    if (h.count(http::field::expect) > 0 && !boost::beast::iequals(h[http::field::expect], "100-continue"))
        return bad("Expect takes 100-continue only");
    return std::nullopt;
}

} // namespace reprise::api
