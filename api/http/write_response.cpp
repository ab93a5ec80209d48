#include "api/http/write_response.hpp"

#include "common/async/on_pool.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

namespace reprise::api {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto write_deadline = std::chrono::seconds(30);
constexpr auto events_live = std::chrono::hours(24); // the wait between two events has limits of its own
constexpr std::size_t download_piece = 256 << 10;

// RFC 9110, 5.6.7; made once a second and thread.
std::string_view http_date() {
    thread_local std::time_t made_at = 0;
    thread_local std::string text;
    const auto now = std::time(nullptr);
    if (now != made_at) {
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::array<char, 40> buffer{};
        // The C locale, which this program never leaves, names days and months as the format wants them.
        const auto size = std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        text.assign(buffer.data(), size);
        made_at = now;
    }
    return text;
}

bool says(const response& r, std::string_view name) {
    return std::ranges::any_of(r.headers, [&](const auto& h) { return h.first == name; });
}

template <class Body>
void dress(http::response<Body>& out, const response& r, const response_manner& manner) {
    out.version(manner.old ? 10 : 11);
    out.result(r.status);
    out.set(http::field::server, "reprise");
    out.set(http::field::date, http_date());
    out.set("X-Request-Id", manner.request_id);
    out.set("X-Content-Type-Options", "nosniff");
    out.set("Referrer-Policy", "no-referrer");
    if (!says(r, "Content-Security-Policy")) // nothing here is a page that needs more
        out.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (!says(r, "Cache-Control"))
        out.set(http::field::cache_control, "no-store");
    if (r.status != 304 && r.status != 204)
        out.set(http::field::content_type, r.content_type);
    for (const auto& [name, value] : r.headers)
        out.insert(name, value);
    out.keep_alive(manner.keep);
}

asio::awaitable<void> write_text(tcp::socket& to, response r, const response_manner& manner) {
    http::response<http::string_body> out;
    dress(out, r, manner);
    const auto size = r.body.size();
    if (!manner.head)
        out.body() = std::move(r.body);
    if (r.status != 304 && r.status != 204)
        out.content_length(size);
    http::response_serializer<http::string_body> serializer(out);
    co_await http::async_write(to, serializer, asio::use_awaitable);
}

asio::awaitable<void> write_blob(tcp::socket& to, deadline& until, response r, const response_manner& manner,
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
        until.set(write_deadline);
        co_await asio::async_write(to, asio::buffer(piece), asio::use_awaitable);
    }
}

// Chunked, so that the peer can tell the end from a broken connection. One who knows no chunks gets the plain text until the
// connection closes.
asio::awaitable<void> write_events(tcp::socket& to, deadline& until, response r, const response_manner& manner) {
    http::response<http::empty_body> out;
    dress(out, r, manner);
    out.chunked(!manner.old);
    http::response_serializer<http::empty_body> serializer(out);
    co_await http::async_write_header(to, serializer, asio::use_awaitable);
    std::string piece;
    do {
        until.set(events_live);
        piece = co_await r.events->next();
        until.set(write_deadline);
        std::string sent;
        if (!manner.old)
            sent = fmt::format("{:x}\r\n{}\r\n", piece.size(), piece); // an empty one is the end of chunks
        else
            sent = piece;
        co_await asio::async_write(to, asio::buffer(sent), asio::use_awaitable);
    } while (!piece.empty());
}

} // namespace

asio::awaitable<void> write_response(tcp::socket& to, deadline& until, response r, const response_manner& manner,
                                     asio::thread_pool& disk) {
    until.set(write_deadline);
    if (r.blob)
        co_await write_blob(to, until, std::move(r), manner, disk);
    else if (r.events)
        co_await write_events(to, until, std::move(r), manner);
    else
        co_await write_text(to, std::move(r), manner);
}

} // namespace reprise::api
