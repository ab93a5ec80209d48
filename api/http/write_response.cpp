#include "api/http/write_response.hpp"

#include "common/async/on_pool.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <chrono>

namespace reprise::api {
namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr auto write_deadline = std::chrono::seconds(30);
constexpr std::size_t download_piece = 256 << 10;

template <class Body>
void dress(http::response<Body>& out, const response& r, const response_manner& manner) {
    out.version(11);
    out.result(r.status);
    out.set(http::field::server, "reprise");
    out.set("X-Request-Id", manner.request_id);
    out.set("X-Content-Type-Options", "nosniff");
    if (r.status != 304)
        out.set(http::field::content_type, r.content_type);
    for (const auto& [name, value] : r.headers)
        out.insert(name, value);
    out.keep_alive(manner.keep);
}

asio::awaitable<void> write_text(beast::tcp_stream& to, response r, const response_manner& manner) {
    http::response<http::string_body> out;
    dress(out, r, manner);
    const auto size = r.body.size();
    if (!manner.head)
        out.body() = std::move(r.body);
    if (r.status != 304)
        out.content_length(size);
    http::response_serializer<http::string_body> serializer(out);
    co_await http::async_write(to, serializer, asio::use_awaitable);
}

asio::awaitable<void> write_blob(beast::tcp_stream& to, response r, const response_manner& manner,
                                 asio::thread_pool& disk) {
    const auto& b = *r.blob;
    http::response<http::buffer_body> out;
    dress(out, r, manner);
    out.content_length(b.size);
    out.body().data = nullptr;
    out.body().more = !manner.head && b.size > 0;
    http::response_serializer<http::buffer_body> serializer(out);
    co_await http::async_write_header(to, serializer, asio::use_awaitable);
    std::string piece;
    for (std::uint64_t sent = 0; !manner.head && sent < b.size; sent += piece.size()) {
        const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(download_piece, b.size - sent));
        auto read = [&blob = b.blob, at = b.offset + sent, most] { return blob.read(at, most); };
        piece = co_await on_pool(disk, std::move(read));
        if (piece.empty())
            throw outage(errc::storage_unavailable, "a blob is shorter than it was");
        to.expires_after(write_deadline);
        co_await asio::async_write(to, asio::buffer(piece), asio::use_awaitable);
    }
}

} // namespace

asio::awaitable<void> write_response(beast::tcp_stream& to, response r, const response_manner& manner,
                                     asio::thread_pool& disk) {
    to.expires_after(write_deadline);
    if (r.blob)
        co_await write_blob(to, std::move(r), manner, disk);
    else
        co_await write_text(to, std::move(r), manner);
}

} // namespace reprise::api
