// The head of a request: our scanner, Beast's parser, our guards. Whatever arrives, and in whatever pieces, both find the same
// end of the head, and what we let through has one length and one host.
#include "tests/fuzz/fuzz.hpp"

#include "api/http/framing.hpp"
#include "api/http/head_scanner.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>

using namespace reprise;
using api::head_scanner;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t most = 2048; // smaller than in earnest, so that it is reached

head_scanner piecewise(std::string_view text, head_scanner::verdict& v) {
    head_scanner scanner(most);
    v = head_scanner::verdict::incomplete;
    for (std::size_t n = 0; n <= text.size() && v == head_scanner::verdict::incomplete; ++n)
        v = scanner.look(text.substr(0, n));
    return scanner;
}

void check_sound(const http::request_header<>& h) {
    using fuzz::require;
    require(h.count(http::field::content_length) + h.count(http::field::transfer_encoding) <= 1);
    require(h.count(http::field::host) <= 1);
    require(h.target().starts_with('/'));
    for (const auto& f : h)
        require(f.value().find_first_of("\r\n") == std::string_view::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    head_scanner whole(most);
    const auto verdict = whole.look(text);
    auto in_pieces = head_scanner::verdict::incomplete;
    const auto scanner = piecewise(text, in_pieces);
    fuzz::require(verdict == in_pieces);
    if (verdict != head_scanner::verdict::complete)
        return 0;
    fuzz::require(whole.size() == scanner.size() && whole.size() <= text.size());
    fuzz::require(text.substr(0, whole.size()).ends_with("\r\n\r\n"));

    http::request_parser<http::string_body> parser;
    parser.eager(false);
    parser.header_limit(most);
    boost::system::error_code ec;
    const auto taken = parser.put(boost::asio::buffer(text), ec);
    if (ec)
        return 0;
    fuzz::require(parser.is_header_done() && taken == whole.size());
    if (!api::check_framing(parser.get()))
        check_sound(parser.get());
    return 0;
}
