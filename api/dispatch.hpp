// From a request to its handler, in the contract's order: route, key (401), rate (429), body (413, 415, 400), scope (403).
// Knows HTTP messages, not sockets: the session reads and writes for it.
#pragma once
#include "api/http/message.hpp"
#include "api/routes.hpp"
#include "api/services.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/message.hpp>

#include <optional>
#include <string>

namespace reprise::api {

class dispatch {
  public:
    // Both must outlive it.
    dispatch(services& s, request& req) : services_(s), req_(req) {}

    // What the header alone decides: an answer that ends the matter, or nothing, and the body is wanted.
    // `address` of the peer. Throws outage.
    boost::asio::awaitable<std::optional<response>> look_at_header(const http::request_header<>& h,
                                                                   std::string address);
    // Whether a body of this kind may be read. Nothing if so.
    std::optional<failure> refuse_body(const http::request_header<>& h, std::optional<std::uint64_t> length) const;
    std::size_t body_limit() const { return route_->body_limit; }
    const std::string& key_id() const { return req_.who.key_id; }

    // `body` as sent; empty if there was none. Throws outage.
    boost::asio::awaitable<response> answer(std::string body);

    // What every answer of this request carries, refusals too.
    void dress(response& r) const;

  private:
    std::optional<response> find_route(const http::request_header<>& h);
    boost::asio::awaitable<std::optional<response>> let_in(std::string authorization, std::string address);
    boost::asio::awaitable<std::optional<failure>> read_members(std::string body);
    response refuse(errc code, std::string message = {}) const;

    services& services_;
    request& req_;
    const route* route_ = nullptr;
    std::string query_; // as sent
    std::optional<rate_state> rate_;
};

} // namespace reprise::api
