#include "api/http/framing.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace reprise::api {
namespace http = boost::beast::http;

namespace {

failure bad(const char* why) {
    return {errc::bad_request, why};
}

bool is_port(std::string_view s) {
    return s.size() <= 5 && std::ranges::all_of(s, [](char c) { return c >= '0' && c <= '9'; });
}

// RFC 9110, 7.2: a name or an address, and perhaps a port; empty is allowed.
bool is_host(std::string_view s) {
    const bool bracketed = s.starts_with('[');
    const auto end = bracketed ? s.find(']') : s.find(':');
    if (bracketed && end == std::string_view::npos)
        return false;
    const auto name = bracketed ? s.substr(1, end - 1) : s.substr(0, end);
    const auto port = end == std::string_view::npos ? std::string_view() : s.substr(end + (bracketed ? 1 : 0));
    const auto in_address = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
    };
    // Sub-delimiters and percent signs, which a registered name may have, are in no host that could lead here.
    const auto in_name = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
               c == '_';
    };
    if (!(bracketed ? std::ranges::all_of(name, in_address) : std::ranges::all_of(name, in_name)))
        return false;
    return port.empty() || (port.starts_with(':') && is_port(port.substr(1)));
}

} // namespace

std::optional<failure> check_framing(const http::request_header<>& h) {
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
    if (!is_host(h[http::field::host]))
        return bad("Host must be a host and perhaps a port");
    if (h.count(http::field::authorization) > 1)
        return failure{errc::unauthorized, ""};
    const auto target = h.target();
    if (target.size() > 2048)
        return failure{errc::uri_too_long, ""};
    if (!target.starts_with('/') || target.find('#') != std::string_view::npos)
        return bad("the request target must be a path");
    const auto expectations = h.equal_range(http::field::expect);
    if (std::any_of(expectations.first, expectations.second,
                    [](const auto& f) { return !boost::beast::iequals(f.value(), "100-continue"); }))
        return failure{errc::expectation_failed, ""};
    return std::nullopt;
}

} // namespace reprise::api
