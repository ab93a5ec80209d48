// GET /openapi.json: this API, described by api/openapi.json. Tests hold the document and the answers to each other.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "common/crypto/digest.hpp"

namespace reprise {
namespace embedded {
extern const std::string_view openapi_document;
}

namespace api {
namespace asio = boost::asio;

asio::awaitable<response> describe(request& req, services&) {
    static const std::string etag = "\"" + sha256_hex(embedded::openapi_document).substr(0, 16) + "\"";
    const bool known = matches_etag(req.header(http::field::if_none_match), etag);
    auto r = json_response(known ? 304 : 200, known ? std::string() : std::string(embedded::openapi_document));
    r.with("ETag", etag).with("Cache-Control", "public, max-age=300");
    co_return r;
}

} // namespace api
} // namespace reprise
