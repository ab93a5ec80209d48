// GET /dashboard/: the page for operators and organisations, from memory. It holds no data and is open to all: the page asks for
// a key and calls the API with it, like any other client.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "common/crypto/digest.hpp"

#include <algorithm>
#include <array>

namespace reprise {
namespace embedded {
extern const std::string_view dashboard_page, dashboard_script, dashboard_style;
}

namespace api {
namespace asio = boost::asio;
namespace {

// What strangers wrote (names, reasons, logs) is shown in the origin that holds the key: no script but ours, no markup made of
// text, nothing sent elsewhere, and nobody frames it.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct asset {
    std::string_view content, type;
    std::string digest, name;

    asset(std::string_view c, std::string_view t, std::string_view extension)
        : content(c), type(t), digest(sha256_hex(c).substr(0, 16)), name("app-" + digest + std::string(extension)) {}
};

response serve(const request& req, const asset& a, std::string_view cache) {
    const auto etag = "\"" + a.digest + "\"";
    response r;
    r.content_type = a.type;
    r.with("ETag", etag).with("Cache-Control", cache);
    if (matches_etag(req.header(http::field::if_none_match), etag))
        r.status = 304;
    else
        r.body = a.content;
    return r;
}

} // namespace

asio::awaitable<response> show_dashboard(request& req, services&) {
    static const asset page(embedded::dashboard_page, "text/html; charset=utf-8", ".html");
    auto r = serve(req, page, "no-cache");
    r.with("Content-Security-Policy", page_policy);
    co_return r;
}

// Named by their digests (build.mjs): what is under a name never changes.
asio::awaitable<response> dashboard_asset(request& req, services&) {
    static const std::array<asset, 2> assets{
        asset(embedded::dashboard_script, "text/javascript; charset=utf-8", ".js"),
        asset(embedded::dashboard_style, "text/css; charset=utf-8", ".css")};
    const auto found = std::ranges::find(assets, req.parameters.at(0), &asset::name);
    if (found == assets.end())
        co_return error_response({errc::not_found, ""}, req.header(http::field::accept));
    co_return serve(req, *found, "public, max-age=31536000, immutable");
}

} // namespace api
} // namespace reprise
