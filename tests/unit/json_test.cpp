#include "common/json/document.hpp"
#include "common/json/text_fields.hpp"
#include "common/json/utf8.hpp"
#include "common/json/writer.hpp"

#include <gtest/gtest.h>

#include <array>

namespace reprise::json {
namespace {

constexpr std::array<std::string_view, 2> known{"reason", "mode"};

errc refusal(std::string_view body) {
    const auto r = read_text_fields(std::string(body), known);
    EXPECT_FALSE(r) << body;
    return r ? errc::internal_error : r.error().code;
}

TEST(TextFields, KnownStringsAreReadAndTheRestIsReadOver) {
    const auto r =
        read_text_fields(R"({"x":[1,{"reason":2}],"reason":"a\u00e9\n","y":1e-2147483648,"mode":""})", known);
    ASSERT_TRUE(r);
    EXPECT_EQ(r->at("reason"), "a\xc3\xa9\n");
    EXPECT_EQ(r->at("mode"), "");
    EXPECT_EQ(r->size(), 2u);
}

TEST(TextFields, AnEmptyBodyIsAnEmptyObject) {
    EXPECT_TRUE(read_text_fields("", known)->empty());
}

TEST(TextFields, WhatIsNotAnObjectOfStringsIsRefused) {
    for (const auto* body : {"[]", "null", "1", "\"x\"", "{\"reason\":5}", "{\"reason\":null}", "{\"reason\":{}}",
                             "{\"reason\":[]}", "{\"reason\":true}", "{", "{}{}", "{'reason':1}",
                             "{\"reason\":\"a\",}", "{\"reason\":01}", "{\"reason\":NaN}", "// x\n{}"})
        EXPECT_EQ(refusal(body), errc::invalid_body) << body;
}

TEST(TextFields, DuplicateKeysAreRefusedAtEveryLevel) {
    EXPECT_EQ(refusal(R"({"reason":"a","reason":"b"})"), errc::duplicate_field);
    EXPECT_EQ(refusal(R"({"x":{"y":1,"y":2}})"), errc::duplicate_field);
    EXPECT_TRUE(read_text_fields(R"({"x":{"reason":1},"z":{"reason":1}})", known));
}

TEST(TextFields, DepthIsBounded) {
    EXPECT_EQ(refusal(R"({"x":)" + std::string(1'000'000, '[')), errc::too_deep);
    EXPECT_TRUE(read_text_fields(R"({"x":)" + std::string(15, '[') + std::string(15, ']') + "}", known));
}

TEST(TextFields, OnlyValidUtf8IsRead) {
    EXPECT_EQ(refusal("{\"reason\":\"\xC0\xAF\"}"), errc::invalid_encoding);
    EXPECT_EQ(refusal("\xEF\xBB\xBF{}"), errc::invalid_encoding);
    EXPECT_EQ(refusal(R"({"reason":"\ud800"})"), errc::invalid_encoding);
}

TEST(Utf8, IsStrict) {
    EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    for (const std::string_view bad : {"\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"})
        EXPECT_FALSE(is_utf8(bad));
    EXPECT_EQ(as_utf8("a\xff"
                      "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(utf8_prefix("a\xc3\xa9", 2), "a");
    EXPECT_EQ(code_points("a\xc3\xa9"), 2u);
}

TEST(Writer, SplicesObjectsAmongMembers) {
    writer w;
    w.begin_object()
        .member("a", std::int64_t{1})
        .splice(R"({"b":{"x":1},"c":[2]})")
        .splice("{}")
        .member("d", "\"")
        .end_object();
    EXPECT_EQ(w.text(), R"({"a":1,"b":{"x":1},"c":[2],"d":"\""})");
}

// Wherever it stands: texts are looked at sixteen bytes at a time.
TEST(Writer, WhatNeedsEscapingIsFoundAtEachPlace) {
    for (std::size_t size = 1; size <= 40; ++size)
        for (std::size_t at = 0; at < size; ++at)
            for (const std::string one : {"\"", "\\", "\x1f", "\n", "\x7f", "\xff", "\xc3\xa9"}) {
                const auto text = std::string(size, 'a').replace(at, 1, one);
                writer w;
                w.begin_object().member("a", text).end_object();
                const auto read = parse(w.text());
                ASSERT_TRUE(read) << w.text();
                EXPECT_EQ(text_at(*read, "a"), one == "\xff" ? as_utf8(text) : text) << w.text();
            }
}

TEST(Writer, TextThatIsNotUtf8DoesNotBreakTheDocument) {
    writer w;
    w.begin_object().member("a", std::string_view("\xff")).end_object();
    EXPECT_TRUE(parse(w.text()));
}

} // namespace
} // namespace reprise::json
