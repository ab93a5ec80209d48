#include "api/http/write_response.hpp"

#include "common/async/on_pool.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <string>
#include <string_view>

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

// A media type may come from an operator's file: what would end the line early becomes a space.
void line(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ");
    const auto from = static_cast<std::ptrdiff_t>(out.size());
    out.append(value);
    std::replace_if(
        out.begin() + from, out.end(), [](char c) { return c >= 0 && c < 0x20; }, ' ');
    out.append("\r\n");
}

// Beast reads requests; what we say ourselves is known to be well-formed, and is written as text: fields made one by one would
// cost more than all the rest of a short answer.
std::string head_of(const response& r, const response_manner& manner) {
    std::string out;
    out.reserve(768);
    out.append(manner.old ? "HTTP/1.0 " : "HTTP/1.1 ").append(std::to_string(r.status)).append(" ");
    out.append(http::obsolete_reason(http::int_to_status(r.status))).append("\r\n");
    line(out, "Server", "reprise");
    line(out, "Date", http_date());
    line(out, "X-Request-Id", manner.request_id);
    line(out, "X-Content-Type-Options", "nosniff");
    line(out, "Referrer-Policy", "no-referrer");
    if (!says(r, "Content-Security-Policy")) // nothing here is a page that needs more
        line(out, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (!says(r, "Cache-Control"))
        line(out, "Cache-Control", "no-store");
    if (r.status != 304 && r.status != 204)
        line(out, "Content-Type", r.content_type);
    for (const auto& [name, value] : r.headers)
        line(out, name, value);
    if (manner.keep && manner.old)
        line(out, "Connection", "keep-alive");
    else if (!manner.keep && !manner.old)
        line(out, "Connection", "close");
    return out;
}

asio::awaitable<void> write_text(tcp::socket& to, response r, const response_manner& manner) {
    auto head = head_of(r, manner);
    if (r.status != 304 && r.status != 204)
        line(head, "Content-Length", std::to_string(r.body.size()));
    head += "\r\n";
    if (manner.head || r.status == 304 || r.status == 204)
        r.body.clear();
    const std::array<asio::const_buffer, 2> both{asio::buffer(head), asio::buffer(r.body)};
    co_await asio::async_write(to, both, asio::use_awaitable);
}

asio::awaitable<void> write_blob(tcp::socket& to, deadline& until, response r, const response_manner& manner,
                                 asio::thread_pool& disk) {
    const auto& b = *r.blob;
    auto head = head_of(r, manner);
    line(head, "Content-Length", std::to_string(b.size));
    head += "\r\n";
    co_await asio::async_write(to, asio::buffer(head), asio::use_awaitable);
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
    auto head = head_of(r, manner);
    if (!manner.old)
        line(head, "Transfer-Encoding", "chunked");
    head += "\r\n";
    co_await asio::async_write(to, asio::buffer(head), asio::use_awaitable);
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
