#include "api/dispatch.hpp"

#include "api/auth/acting.hpp"
#include "api/auth/api_key.hpp"
#include "api/http/field_values.hpp"
#include "common/async/on_pool.hpp"
#include "common/crypto/digest.hpp"
#include "common/run/trace.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr std::size_t large_body = 64 << 10;

bool is_json_type(std::string_view type) {
    const auto semicolon = type.find(';');
    auto media = type.substr(0, semicolon);
    while (media.ends_with(' '))
        media.remove_suffix(1);
    if (!beast::iequals(media, "application/json"))
        return false;
    if (semicolon == std::string_view::npos)
        return true;
    auto parameter = type.substr(semicolon + 1);
    while (parameter.starts_with(' '))
        parameter.remove_prefix(1);
    return beast::iequals(parameter, "charset=utf-8") || beast::iequals(parameter, "charset=\"utf-8\"");
}

} // namespace

response dispatch::refuse(errc code, std::string message) const {
    return error_response({code, std::move(message)}, req_.header(http::field::accept));
}

std::optional<response> dispatch::find_route(const http::request_header<>& h) {
    const std::string_view target = h.target();
    const auto question = target.find('?');
    req_.method = h.method();
    req_.path = target.substr(0, question);
    if (question != std::string_view::npos)
        query_ = target.substr(question + 1);

    auto m = match_route(req_.method, req_.path);
    if (!m.found && m.allowed.empty())
        return refuse(errc::not_found);
    if (!m.found && req_.method == http::verb::options) {
        response r;
        r.status = 204;
        r.with("Allow", m.allowed + ", OPTIONS");
        services_.cross_origin.allow_preflight(h, m.allowed, r);
        return r;
    }
    if (!m.found) {
        auto r = refuse(errc::method_not_allowed);
        r.with("Allow", m.allowed + ", OPTIONS");
        return r;
    }
    route_ = req_.route = m.found;
    req_.parameters = std::move(m.parameters);
    return std::nullopt;
}

asio::awaitable<std::optional<response>> dispatch::look_at_header(const http::request_header<>& h,
                                                                  std::string address) {
    if (h.count("traceparent") == 1)
        req_.trace = continued_trace(h["traceparent"]);
    if (auto refusal = find_route(h))
        co_return refusal;
    if (route_->scope.empty())
        co_return std::nullopt;
    auto refusal = co_await let_in(std::string(h[http::field::authorization]), std::move(address));
    co_return refusal;
}

asio::awaitable<std::optional<response>> dispatch::let_in(std::string authorization, std::string address) {
    // An address that has sent many wrong keys is looked up no more, unless its key is one that was right before.
    const bool trusted = services_.wrong_keys.look(address).allowed;
    auto who = co_await services_.keys.identify(std::move(authorization), trusted);
    if (!who) {
        const auto left = services_.wrong_keys.take(address);
        if (left.allowed)
            co_return refuse(errc::unauthorized);
        auto r = refuse(errc::rate_limited, "too many wrong keys from this address");
        r.with("Retry-After", std::to_string(left.reset_seconds));
        co_return r;
    }
    req_.who = std::move(*who);
    if (services_.rates.unlimited())
        co_return std::nullopt;
    rate_ = services_.rates.take(req_.who.key_id);
    if (rate_->allowed)
        co_return std::nullopt;
    auto r = refuse(errc::rate_limited);
    r.with("Retry-After", std::to_string(rate_->reset_seconds));
    co_return r;
}

std::optional<failure> dispatch::refuse_body(const http::request_header<>& h,
                                             std::optional<std::uint64_t> length) const {
    if (length && *length > route_->body_limit)
        return failure{errc::body_too_large, "this call takes " + std::to_string(route_->body_limit) + " bytes"};
    if (route_->body_limit == 0)
        return std::nullopt;
    if (h.count(http::field::content_encoding) > 0)
        return failure{errc::unsupported_media_type, "Content-Encoding is not accepted"};
    if (h.count(http::field::content_type) != 1 || !is_json_type(h[http::field::content_type]))
        return failure{errc::unsupported_media_type, ""};
    return std::nullopt;
}

asio::awaitable<response> dispatch::answer(std::string body) {
    if (route_->body_limit > 0)
        if (const auto f = co_await read_members(std::move(body))) // 400
            co_return refuse(f->code, f->message);
    auto query = parse_query(query_);
    if (!query)
        co_return refuse(errc::invalid_parameter, "the query is not well-formed");
    // It would go on standing in the logs of everything on the way (RFC 6750, 5.3).
    if (std::ranges::any_of(*query,
                            [](const auto& q) { return q.first == "access_token" || parse_api_key(q.second); }))
        co_return refuse(errc::invalid_parameter, "a key belongs into the Authorization header");
    req_.query = std::move(*query);
    if (!route_->scope.empty() && route_->scope != "any" && !req_.who.has(route_->scope)) { // 403
        auto r = refuse(errc::insufficient_scope, "this call needs " + std::string(route_->scope));
        r.with("WWW-Authenticate",
               fmt::format(R"(Bearer realm="reprise", error="insufficient_scope", scope="{}")", route_->scope));
        co_return r;
    }
    if (req_.who.is_operator)
        if (const auto f = co_await act_for_owner(req_, route_->covers_all, services_))
            co_return refuse(f->code, f->message);
    auto r = co_await route_->handle(req_, services_);
    co_return r;
}

asio::awaitable<std::optional<failure>> dispatch::read_members(std::string body) {
    const bool digested = req_.fields->count("Idempotency-Key") > 0;
    auto work = [&body, this, digested] {
        if (digested)
            req_.body_digest = sha256_hex(body);
        return read_fields(*route_, std::move(body));
    };
    // A document of megabytes is parsed where it holds up nobody. (Not `?:`, which gcc 12 gets wrong around
    // co_await.)
    result<json::text_fields> fields = failure{};
    if (body.size() > large_body)
        fields = co_await on_pool(services_.documents, work);
    else
        fields = work();
    if (!fields)
        co_return fields.error();
    req_.body = std::move(*fields);
    co_return std::nullopt;
}

void dispatch::dress(response& r) const {
    services_.cross_origin.allow(*req_.fields, r);
    if (!rate_)
        return;
    const auto& rates = services_.rates;
    r.with("RateLimit-Policy", fmt::format("\"key\";q={};w={}", rates.burst(), rates.window_seconds()));
    r.with("RateLimit", fmt::format("\"key\";r={};t={}", rate_->remaining, rate_->reset_seconds));
}

} // namespace reprise::api
