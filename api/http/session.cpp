#include "api/http/session.hpp"

#include "api/http/body_space.hpp"
#include "api/http/framing.hpp"
#include "api/http/message.hpp"
#include "api/http/write_response.hpp"
#include "api/routes.hpp"
#include "common/async/on_pool.hpp"
#include "common/crypto/digest.hpp"
#include "common/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <chrono>

namespace reprise::api {
namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using parser = http::request_parser<http::string_body>;

namespace {

constexpr auto header_deadline = std::chrono::seconds(15); // idle time of a kept-alive connection included
constexpr auto body_deadline = std::chrono::seconds(30);
constexpr auto linger_deadline = std::chrono::seconds(10);
constexpr std::size_t most_lingered = 64 << 20;
constexpr std::size_t header_limit = 16 << 10;
constexpr std::size_t most_fields = 64;
constexpr std::size_t read_ahead = 256 << 10;
constexpr std::size_t large_body = 64 << 10;
constexpr std::size_t most_requests = 100'000; // on one connection
constexpr auto token = asio::use_awaitable;

// What the session has made out of a request before a handler sees it.
struct outcome {
    response answer;
    bool close = false;
};

outcome refuse(const failure& f, const http::fields& fields, bool close = false) {
    return {error_response(f, fields[http::field::accept]), close};
}

failure failure_of(error_code ec) {
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
        return {errc::headers_too_large, ""};
    if (ec == http::error::body_limit)
        return {errc::body_too_large, ""};
    if (ec == http::error::bad_method)
        return {errc::not_implemented, "the method is not known"};
    return {errc::bad_request, ec.message()};
}

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

class session {
  public:
    session(asio::ip::tcp::socket socket, services& s, session_group& group)
        : stream_(std::move(socket)), services_(s), member_(group, stream_.socket()) {}

    asio::awaitable<void> run() {
        buffer_.max_size(header_limit + read_ahead);
        for (std::size_t n = 0; n < most_requests && member_.wait_for_request(); ++n)
            if (!co_await serve_one())
                break;
        error_code ignored;
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        if (unread_body_)
            co_await linger();
    }

  private:
    // Answers whether the connection goes on.
    asio::awaitable<bool> serve_one() {
        parser p;
        p.header_limit(header_limit);
        p.body_limit(boost::none); // set by route, before the body is read
        error_code ec;
        stream_.expires_after(header_deadline);
        co_await http::async_read_header(stream_, buffer_, p, asio::redirect_error(token, ec));
        member_.got_request();
        if (ec == http::error::end_of_stream || ec == asio::error::operation_aborted ||
            ec == asio::error::connection_reset)
            co_return false;
        const auto began = std::chrono::steady_clock::now();
        request req;
        req.id = random_base32(16);
        outcome o;
        if (ec) {
            if (ec == beast::error::timeout)
                co_return false; // idle or too slow: Beast has closed the socket, and nothing more can be said
            o = refuse(failure_of(ec), p.get(), true);
        } else {
            co_await receive(p, req, o);
        }
        const bool keep = p.is_header_done() && p.get().keep_alive() && !o.close && p.is_done();
        co_await write(req, std::move(o.answer), p, keep);
        log::debug("request", {{"id", req.id},
                               {"method", std::string(p.get().method_string())},
                               {"path", req.path},
                               {"key", req.who.key_id},
                               {"us", std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(
                                                         std::chrono::steady_clock::now() - began)
                                                         .count())}});
        co_return keep;
    }

    // Closing while the client still sends would reset the connection, and with it the answer on its way.
    asio::awaitable<void> linger() {
        std::array<char, 16 << 10> piece;
        error_code ec;
        stream_.expires_after(linger_deadline);
        for (std::size_t read = 0; !ec && read < most_lingered;)
            read += co_await stream_.async_read_some(asio::buffer(piece), asio::redirect_error(token, ec));
    }

    // From a complete header to an answer. An outage becomes 503 and a bug 500, each for this request alone.
    asio::awaitable<void> receive(parser& p, request& req, outcome& o) {
        try {
            o = co_await admit(p, req);
        } catch (const outage& e) {
            log::warn("request_outage", {{"id", req.id}, {"path", req.path}, {"why", e.what()}});
            o = refuse({e.code(), ""}, p.get());
        } catch (const std::exception& e) {
            log::error("request_failed", {{"id", req.id}, {"path", req.path}, {"why", e.what()}});
            o = refuse({errc::internal_error, "request " + req.id}, p.get());
        }
        // What is left of an unread body would be taken for the next request.
        unread_body_ = !p.is_done();
        o.close = o.close || unread_body_;
    }

    asio::awaitable<outcome> admit(parser& p, request& req) {
        body_space space(services_.body_bytes);
        const auto& header = p.get();
        if (std::distance(header.begin(), header.end()) > static_cast<std::ptrdiff_t>(most_fields))
            co_return refuse({errc::headers_too_large, "more than 64 fields"}, header, true);
        if (auto f = check_framing(header))
            co_return refuse(*f, header, true);
        const std::string_view target = header.target();
        const auto question = target.find('?');
        req.method = header.method();
        req.path = target.substr(0, question);

        auto m = match_route(req.method, req.path);
        if (!m.found && m.allowed.empty())
            co_return refuse({errc::not_found, ""}, header);
        if (!m.found) {
            auto o = refuse({errc::method_not_allowed, ""}, header);
            o.answer.with("Allow", m.allowed);
            co_return o;
        }
        const auto& r = *m.found;
        req.parameters = std::move(m.parameters);
        req.fields = header.base();

        if (!r.scope.empty()) {
            auto who = co_await services_.keys.identify(std::string(header[http::field::authorization]));
            if (!who)
                co_return refuse({errc::unauthorized, ""}, header); // 401
            req.who = std::move(*who);
        }
        if (auto f = co_await read_body(p, r, space)) // 413, 415, 400, 503
            co_return refuse(*f, req.fields, true);
        if (r.body_limit > 0)
            if (auto f = co_await read_members(p, r, req)) // 400
                co_return refuse(*f, req.fields);
        if (!r.scope.empty() && !req.who.has(r.scope))
            co_return refuse({errc::insufficient_scope, "this call needs " + std::string(r.scope)},
                             req.fields); // 403
        auto query =
            parse_query(question == std::string_view::npos ? std::string_view{} : target.substr(question + 1));
        if (!query)
            co_return refuse({errc::invalid_parameter, "the query is not well-formed"}, req.fields);
        req.query = std::move(*query);
        // Not within the braces of an aggregate: gcc 12 would copy it bit by bit.
        auto answer = co_await r.handle(req, services_);
        co_return outcome{std::move(answer), false};
    }

    asio::awaitable<std::optional<failure>> read_members(parser& p, const route& r, request& req) {
        const auto& body = p.get().body();
        const bool digested = req.fields.count("Idempotency-Key") > 0;
        auto work = [&body, &r, &req, digested] {
            if (digested)
                req.body_digest = sha256_hex(body);
            return read_fields(r, body);
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
        req.body = std::move(*fields);
        std::string().swap(p.get().body()); // read; what is needed of it is in the fields
        co_return std::nullopt;
    }

    asio::awaitable<std::optional<failure>> read_body(parser& p, const route& r, body_space& space) {
        const auto& header = p.get();
        const bool empty = p.is_done() || (p.content_length() && *p.content_length() == 0);
        if (!empty && p.content_length() && *p.content_length() > r.body_limit)
            co_return failure{errc::body_too_large, "this call takes " + std::to_string(r.body_limit) + " bytes"};
        if (!empty && r.body_limit > 0) {
            if (header.count(http::field::content_encoding) > 0)
                co_return failure{errc::unsupported_media_type, "Content-Encoding is not accepted"};
            if (header.count(http::field::content_type) != 1 || !is_json_type(header[http::field::content_type]))
                co_return failure{errc::unsupported_media_type, ""};
        }
        if (p.is_done())
            co_return std::nullopt;
        if (!space.take(p.content_length().value_or(r.body_limit)))
            co_return failure{errc::overloaded, "too many large requests at once; try again later"};

        const auto fields_before = std::distance(header.begin(), header.end());
        p.body_limit(r.body_limit);
        stream_.expires_after(body_deadline);
        error_code ec;
        if (header.count(http::field::expect) > 0) {
            static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            co_await asio::async_write(stream_, asio::buffer(go_on), asio::redirect_error(token, ec));
        }
        if (!ec)
            co_await http::async_read(stream_, buffer_, p, asio::redirect_error(token, ec));
        if (ec)
            co_return failure_of(ec);
        if (std::distance(header.begin(), header.end()) != fields_before) // trailers, merged into the header
            co_return failure{errc::bad_request, "trailers are not accepted"};
        co_return std::nullopt;
    }

    asio::awaitable<void> write(const request& req, response r, const parser& p, bool keep) {
        const bool head = p.is_header_done() && p.get().method() == http::verb::head;
        const response_manner manner{req.id, head, keep};
        co_await write_response(stream_, std::move(r), manner, services_.disk);
    }

    beast::tcp_stream stream_;
    services& services_;
    session_group::membership member_;
    beast::flat_buffer buffer_;
    bool unread_body_ = false;
};

} // namespace

asio::awaitable<void> run_session(asio::ip::tcp::socket socket, services& s, session_group& group) {
    session one(std::move(socket), s, group);
    co_await one.run();
}

} // namespace reprise::api
