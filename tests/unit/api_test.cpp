#include "api/auth/api_key.hpp"
#include "api/http/field_values.hpp"
#include "api/http/framing.hpp"
#include "api/http/head_scanner.hpp"
#include "api/http/message.hpp"
#include "api/routes.hpp"
#include "common/json/document.hpp"
#include "common/time.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <gtest/gtest.h>

#include <set>

namespace reprise::api {
namespace {

TEST(ApiKey, AKeyIsReadBackAndNothingElseIs) {
    const auto key = make_api_key();
    const auto text = key.text();
    const auto back = parse_api_key(text);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->id, key.id);
    EXPECT_EQ(back->secret_digest(), key.secret_digest());
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto other = text;
        other[i] = other[i] == '0' ? '1' : '0';
        EXPECT_FALSE(parse_api_key(other)) << i;
    }
    EXPECT_FALSE(parse_api_key(""));
    EXPECT_FALSE(parse_api_key(text + "0"));
}

TEST(Routes, PathsAreMatchedByteByByte) {
    EXPECT_TRUE(match_route(http::verb::post, "/api/runs/x/retry").found);
    EXPECT_EQ(match_route(http::verb::get, "/api/runs/x").parameters.at(0), "x");
    EXPECT_TRUE(match_route(http::verb::head, "/livez").found);
    for (const auto* path :
         {"/", "", "/api/runs/", "/api/runs//retry", "/api/runs/x/retry/", "/API/runs", "//api/runs", "/api"})
        EXPECT_FALSE(match_route(http::verb::post, path).found) << path;
}

TEST(Routes, AWrongMethodIsToldTheRightOnes) {
    const auto m = match_route(http::verb::delete_, "/api/runs/x/retry");
    EXPECT_FALSE(m.found);
    EXPECT_EQ(m.allowed, "POST, GET, HEAD");
    EXPECT_EQ(match_route(http::verb::post, "/livez").allowed, "GET, HEAD");
    EXPECT_EQ(match_route(http::verb::get, "/nowhere").allowed, "");
}

TEST(Message, ErrorsHaveTheContractsShape) {
    const auto r = error_response({errc::inputs_not_retained, "gone"});
    EXPECT_EQ(r.status, 422u);
    EXPECT_EQ(r.body, R"({"error":"inputs_not_retained","message":"gone"})");
    const auto p = error_response({errc::run_not_found, ""}, "application/problem+json");
    EXPECT_EQ(p.content_type, "application/problem+json");
    EXPECT_EQ(json::text_at(*json::parse(p.body), "error"), "run_not_found");
}

TEST(Message, QueriesAreDecodedOrRefused) {
    const auto q = parse_query("a=1&b=%2Fx+y&c&a=2");
    ASSERT_TRUE(q);
    EXPECT_EQ(q->at("a"), "1");
    EXPECT_EQ(q->at("b"), "/x y");
    EXPECT_EQ(q->at("c"), "");
    EXPECT_FALSE(parse_query("a=%zz"));
    EXPECT_FALSE(parse_query("a=%"));
}

TEST(Errors, EveryCodeHasANameAStatusAndAMeaning) {
    for (int i = 0; i <= static_cast<int>(errc::schema_mismatch); ++i) {
        const auto e = static_cast<errc>(i);
        EXPECT_EQ(errc_of(code_of(e)), e);
        EXPECT_FALSE(meaning_of(e).empty());
    }
    EXPECT_EQ(http_status_of(errc::inputs_not_retained), 422);
    EXPECT_THROW(errc_of("no_such_code"), std::invalid_argument);
}

// Beast parses; what it lets through and must not pass is refused.
std::optional<failure> framing_of(const std::string& text) {
    http::request_parser<http::string_body> p;
    boost::system::error_code ec;
    p.eager(false);
    p.put(boost::asio::buffer(text), ec);
    if (ec && ec != http::error::need_more)
        return failure{errc::bad_request, ec.message()};
    return check_framing(p.get());
}

TEST(Framing, SoundRequestsPass) {
    EXPECT_FALSE(framing_of("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"));
    EXPECT_FALSE(framing_of("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST(Framing, WhatTwoReadersCouldReadTwoWaysIsRefused) {
    for (const auto* fields :
         {"Host: x\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n",
          "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Host: x\r\nTransfer-Encoding: xchunked\r\n",
          "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n", "Host: x\r\nContent-Length: 5, 5\r\n",
          "Host: x\r\nContent-Length: +5\r\n", "Host: x\r\nHost: y\r\n", "X: y\r\n",
          "Host: x\r\nTrailer: Authorization\r\n", "Host: x\r\nAuthorization: a\r\nAuthorization: b\r\n"})
        EXPECT_TRUE(framing_of(std::string("POST /a HTTP/1.1\r\n") + fields + "\r\n")) << fields;
    EXPECT_TRUE(framing_of("POST http://evil/a HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(framing_of("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

head_scanner::verdict verdict_on(std::string_view text, std::size_t most = 200) {
    return head_scanner(most).look(text);
}

TEST(HeadScanner, FindsTheEndOfAHeadHoweverItArrives) {
    const std::string_view head = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
                           text = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET";
    head_scanner scanner(200);
    for (std::size_t n = 0; n < head.size(); ++n)
        ASSERT_EQ(scanner.look(text.substr(0, n)), head_scanner::verdict::incomplete) << n;
    EXPECT_EQ(scanner.look(text), head_scanner::verdict::complete);
    EXPECT_EQ(scanner.size(), head.size());
}

TEST(HeadScanner, SaysAtTheFirstWrongByteThatThisIsNoRequest) {
    for (const std::string_view text :
         {" ", "\r", "GET\t", "GET  ", "GET /a\r", "GET /\x80", "GET /a HTTP/2", "GET /a HTTP/1.2",
          "GET /a HTTP/1.1\n", "GET /a HTTP/1.1 ", "GET /a HTTP/1.1\r\n ",
          "GET /a HTTP/1.1\r\n:", "GET /a HTTP/1.1\r\nA ", "GET /a HTTP/1.1\r\nA:\n", "GET /a HTTP/1.1\r\nA: b\x7f",
          "GET /a HTTP/1.1\r\nA: b\rc", "GET /a HTTP/1.1\r\nA: b\r\n ", "GET /a HTTP/1.1\r\n\rx"}) {
        EXPECT_EQ(verdict_on(text), head_scanner::verdict::malformed) << text;
        EXPECT_EQ(verdict_on(text.substr(0, text.size() - 1)), head_scanner::verdict::incomplete) << text;
    }
}

TEST(HeadScanner, AHeadHasAMostSize) {
    const std::string head = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    EXPECT_EQ(verdict_on(head, head.size()), head_scanner::verdict::complete);
    EXPECT_EQ(verdict_on(head, head.size() - 1), head_scanner::verdict::too_large);
}

TEST(FieldValues, AHostIsANameOrAnAddressAndPerhapsAPort) {
    for (const auto* host : {"x", "a-b.example:8080", "[::1]", "[::1]:80", "127.0.0.1", ""})
        EXPECT_FALSE(framing_of(std::string("GET /a HTTP/1.1\r\nHost: ") + host + "\r\n\r\n")) << host;
    for (const auto* host : {"a/b", "a b", "a,b", "[::1", "x:y", "[::1]x", "x:123456"})
        EXPECT_TRUE(framing_of(std::string("GET /a HTTP/1.1\r\nHost: ") + host + "\r\n\r\n")) << host;
}

TEST(Time, IsShownAsRfc3339) {
    EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(rfc3339(1'709'164'800'123), "2024-02-29T00:00:00.123Z");
    EXPECT_EQ(rfc3339(end_of_month(2024 * 12 + 11)), "2025-01-01T00:00:00.000Z");
}

} // namespace
} // namespace reprise::api
