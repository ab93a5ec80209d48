#include "api/http/session.hpp"

#include "api/dispatch.hpp"
#include "api/http/body_space.hpp"
#include "api/http/deadline.hpp"
#include "api/http/field_values.hpp"
#include "api/http/framing.hpp"
#include "api/http/head_scanner.hpp"
#include "api/http/peer.hpp"
#include "api/http/write_response.hpp"
#include "common/crypto/digest.hpp"
#include "common/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <chrono>

namespace reprise::api {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using parser = http::request_parser<http::string_body>;

namespace {

// Each for the whole of what it names, however many reads that takes.
constexpr auto idle_deadline = std::chrono::seconds(60);  // that a connection may be kept without a request
constexpr auto header_deadline = std::chrono::seconds(5); // from its first byte
constexpr auto small_body_deadline = std::chrono::seconds(10), body_deadline = std::chrono::seconds(60);
constexpr auto handling_deadline = std::chrono::hours(24); // what is done meanwhile has deadlines of its own
constexpr auto linger_deadline = std::chrono::seconds(10);
constexpr std::size_t most_lingered = 64 << 20;
constexpr std::size_t header_limit = 16 << 10;
constexpr std::size_t most_fields = 64;
constexpr std::size_t read_ahead = 256 << 10;
constexpr std::size_t read_at_once = 2 << 10; // of a header: most fit, and an idle connection holds no more
constexpr std::size_t kept_of_buffer = 16 << 10;
constexpr std::size_t most_chunks = 100'000;   // of one body
constexpr std::size_t most_requests = 100'000; // on one connection
constexpr auto token = asio::use_awaitable;

// What is wrong with a body that Beast refuses.
failure failure_of(error_code ec) {
    if (ec == http::error::body_limit)
        return {errc::body_too_large, ""};
    if (ec == http::error::header_limit) // of trailers
        return {errc::headers_too_large, ""};
    if (ec == http::error::buffer_overflow)
        return {errc::bad_request, "a chunk's first line is too long"};
    return {errc::bad_request, ec.message()};
}

std::string_view text_of(const boost::beast::flat_buffer& b) {
    return {static_cast<const char*>(b.cdata().data()), b.size()};
}

class session {
  public:
    session(tcp::socket socket, services& s, session_group& group)
        : socket_(std::move(socket)), services_(s), member_(group, socket_), deadline_(socket_), peer_(socket_) {
        error_code ignored;
        const auto from = socket_.remote_endpoint(ignored);
        if (!ignored)
            address_ = from.address().to_string();
    }

    asio::awaitable<void> run() {
        buffer_.max_size(header_limit + read_ahead);
        for (std::size_t left = most_requests; left > 0 && member_.wait_for_request(); --left)
            if (!co_await serve_one(left == 1))
                break;
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        if (unread_)
            co_await linger();
    }

  private:
    // Answers whether the connection goes on.
    asio::awaitable<bool> serve_one(bool last) {
        parser p;
        p.header_limit(header_limit);
        p.body_limit(boost::none); // set by route, before the body is read
        std::optional<failure> wrong;
        if (!co_await read_head(p, wrong))
            co_return false;
        const auto began = std::chrono::steady_clock::now();
        request req;
        req.id = random_base32(16);
        req.from = &peer_;
        response answer;
        close_ = last;
        if (wrong) {
            unread_ = true;
            answer = refuse(*wrong, p, true);
        } else {
            answer = co_await receive(p, req);
        }
        const bool head = p.is_header_done() && p.get().method() == http::verb::head;
        const bool old = p.is_header_done() && p.get().version() == 10;
        const bool ends_by_closing = old && answer.events;
        const bool keep = p.is_header_done() && p.get().keep_alive() && !close_ && p.is_done() &&
                          !member_.stopping() && !ends_by_closing;
        const response_manner manner{req.id, head, keep, old};
        const auto status = answer.status;
        services_.counted.answered(req.route, status, std::chrono::steady_clock::now() - began);
        if (answer.refused)
            services_.counted.refused(*answer.refused);
        co_await write_response(socket_, deadline_, std::move(answer), manner, services_.disk);
        if (!log::writes(log::level::debug))
            co_return keep;
        log::debug("request", {{"id", req.id},
                               {"method", std::string(p.get().method_string())},
                               {"path", req.path},
                               {"key", req.who.key_id},
                               {"status", std::to_string(status)},
                               {"us", std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(
                                                         std::chrono::steady_clock::now() - began)
                                                         .count())}});
        co_return keep;
    }

    // Waits for a request and gives its head to the parser, or says what is wrong with it. Answers false if there is none:
    // the connection was not used again, or is over.
    asio::awaitable<bool> read_head(parser& p, std::optional<failure>& wrong) {
        if (buffer_.size() == 0 && buffer_.capacity() > kept_of_buffer)
            buffer_.shrink_to_fit();
        deadline_.set(idle_deadline);
        head_scanner scanner(header_limit);
        auto verdict = head_scanner::verdict::incomplete;
        for (bool begun = false;;) {
            verdict = scanner.look(text_of(buffer_));
            if (verdict != head_scanner::verdict::incomplete)
                break;
            if (!begun && buffer_.size() > 0) {
                begun = true;
                member_.got_request();
                deadline_.set(header_deadline);
            }
            error_code ec;
            const auto size =
                co_await socket_.async_read_some(buffer_.prepare(read_at_once), asio::redirect_error(token, ec));
            buffer_.commit(size);
            if (!ec)
                continue;
            if (begun && ec == asio::error::eof)
                wrong = failure{errc::bad_request, "the request ends in the middle of its header"};
            else if (begun && ec == asio::error::operation_aborted && deadline_.passed())
                wrong = failure{errc::request_timeout, ""};
            co_return wrong.has_value();
        }
        member_.got_request();
        if (verdict == head_scanner::verdict::too_large)
            wrong = failure{errc::headers_too_large, ""};
        else if (verdict == head_scanner::verdict::malformed)
            wrong = failure{errc::bad_request, std::string(scanner.what_is_wrong())};
        if (wrong)
            co_return true;
        error_code ec;
        p.eager(false);
        buffer_.consume(p.put(buffer_.data(), ec));
        if (ec || !p.is_header_done())
            wrong = failure{errc::bad_request, ec.message()};
        co_return true;
    }

    // Closing while the client still sends would reset the connection, and with it the answer on its way.
    asio::awaitable<void> linger() {
        std::array<char, 16 << 10> piece;
        error_code ec;
        deadline_.set(linger_deadline);
        for (std::size_t read = 0; !ec && read < most_lingered;)
            read += co_await socket_.async_read_some(asio::buffer(piece), asio::redirect_error(token, ec));
    }

    // From a complete header to an answer. An outage becomes 503 and a bug 500, each for this request alone.
    asio::awaitable<response> receive(parser& p, request& req) {
        req.fields = &p.get();
        dispatch d(services_, req);
        response answer;
        try {
            answer = co_await answer_to(p, req, d);
        } catch (const outage& e) {
            log::warn("request_outage", {{"id", req.id}, {"path", req.path}, {"why", e.what()}});
            answer = refuse({e.code(), ""}, p);
        } catch (const std::exception& e) {
            log::error("request_failed", {{"id", req.id}, {"path", req.path}, {"why", e.what()}});
            answer = refuse({errc::internal_error, "request " + req.id}, p);
        }
        d.dress(answer);
        // What is left of a body would be taken for the next request.
        unread_ = !p.is_done();
        close_ = close_ || unread_;
        co_return answer;
    }

    asio::awaitable<response> answer_to(parser& p, request& req, dispatch& d) {
        body_space space(services_.bodies);
        const auto& header = p.get();
        if (std::distance(header.begin(), header.end()) > static_cast<std::ptrdiff_t>(most_fields))
            co_return refuse({errc::headers_too_large, "more than 64 fields"}, p, true);
        if (const auto f = check_framing(header))
            co_return refuse(*f, p, true);

        if (const auto sound = request_id(header["X-Request-Id"]); sound && header.count("X-Request-Id") == 1)
            req.id = *sound;
        auto refusal = co_await d.look_at_header(header, address_); // 404, 405, 401, 429
        if (refusal)
            co_return std::move(*refusal);
        if (const auto f = co_await read_body(p, d, space)) // 413, 415, 400, 408, 503
            co_return refuse(*f, p, true);
        deadline_.set(handling_deadline); // or the header's would stop us from noticing that the peer has left
        auto answer = co_await d.answer(std::exchange(p.get().body(), std::string()));
        co_return answer;
    }

    asio::awaitable<std::optional<failure>> read_body(parser& p, const dispatch& d, body_space& space) {
        const auto& header = p.get();
        std::optional<std::uint64_t> length;
        if (p.content_length())
            length = *p.content_length();
        const bool empty = p.is_done() || length == 0u;
        if (!empty)
            if (auto f = d.refuse_body(header, length))
                co_return f;
        if (p.is_done())
            co_return std::nullopt;
        if (!space.take(d.key_id(), length.value_or(d.body_limit())))
            co_return failure{errc::overloaded, "too many large requests at once; try again later"};

        const auto fields_before = std::distance(header.begin(), header.end());
        p.body_limit(d.body_limit());
        // A chunk has no room for extensions, whose limits and quotes Beast before 1.92 does not know.
        std::size_t chunks = 0;
        auto on_chunk = [&chunks](std::uint64_t, boost::core::string_view extension, error_code& bad) {
            if (!extension.empty() || ++chunks > most_chunks)
                bad = http::error::bad_chunk_extension;
        };
        p.on_chunk_header(on_chunk);
        deadline_.set(d.body_limit() <= body_space::small ? small_body_deadline : body_deadline);
        error_code ec;
        if (header.version() == 11 && header.count(http::field::expect) > 0) {
            static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            co_await asio::async_write(socket_, asio::buffer(go_on), asio::redirect_error(token, ec));
        }
        if (!ec)
            co_await http::async_read(socket_, buffer_, p, asio::redirect_error(token, ec));
        if (ec == asio::error::operation_aborted && deadline_.passed())
            co_return failure{errc::request_timeout, ""};
        if (ec)
            co_return failure_of(ec);
        if (std::distance(header.begin(), header.end()) != fields_before) // trailers, merged into the header
            co_return failure{errc::bad_request, "trailers are not accepted"};
        co_return std::nullopt;
    }

    response refuse(const failure& f, const parser& p, bool close = false) {
        close_ = close_ || close;
        return error_response(f, p.get()[http::field::accept]);
    }

    tcp::socket socket_;
    services& services_;
    session_group::membership member_;
    deadline deadline_;
    peer peer_;
    std::string address_; // of the peer
    boost::beast::flat_buffer buffer_;
    bool unread_ = false; // something of what the client sends
    bool close_ = false;  // after the answer in hand
};

} // namespace

asio::awaitable<void> run_session(tcp::socket socket, services& s, session_group& group) {
    session one(std::move(socket), s, group);
    co_await one.run();
}

} // namespace reprise::api
