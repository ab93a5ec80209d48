#include "common/openapi/read_document.hpp"

#include <gtest/gtest.h>

namespace reprise::openapi {
namespace {

std::string canonical(std::string_view text) {
    const auto d = read_document(text);
    return d ? to_json(*d) : "refused: " + std::string(code_of(d.error().code)) + ": " + d.error().message;
}

errc refusal(std::string_view text, document_limits limits = {}) {
    const auto d = read_document(text, limits);
    EXPECT_FALSE(d) << text.substr(0, 200);
    return d ? errc::internal_error : d.error().code;
}

errc check(std::string_view text) {
    const auto d = read_document(text);
    EXPECT_TRUE(d) << (d ? "" : d.error().message);
    const auto facts = check_openapi(*d);
    EXPECT_FALSE(facts);
    return facts.error().code;
}

TEST(ReadDocument, YamlAndJsonBecomeTheSameDocument) {
    EXPECT_EQ(canonical("a: 1\nb: [x, 'y', true, ~, 1.5, 0x1f]\n200: ok\n"),
              R"({"a":1,"b":["x","y",true,null,1.5,31],"200":"ok"})");
    EXPECT_EQ(canonical(R"({"a":1,"b":["x","y",true,null,1.5,31],"200":"ok"})"),
              R"({"a":1,"b":["x","y",true,null,1.5,31],"200":"ok"})");
}

TEST(ReadDocument, ScalarsFollowTheCoreSchemaOfYaml12) {
    EXPECT_EQ(canonical("[yes, no, on, 2020-01-01, 1_000, 012, -.5, 1e3, '1', \"true\", .inf, +7]"),
              R"(["yes","no","on","2020-01-01","1_000",12,-0.5,1000.0,"1","true",".inf",7])");
}

TEST(ReadDocument, AliasesAreCopiedAndMergeKeysResolved) {
    EXPECT_EQ(canonical("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nagain: *b\n"),
              R"({"base":{"x":1,"y":2},"use":{"y":3,"x":1},"again":{"x":1,"y":2}})");
}

TEST(ReadDocument, MergingLargeMapsIsLinear) {
    std::string text = "base: &b\n";
    for (int i = 0; i < 60'000; ++i)
        text += "  k" + std::to_string(i) + ": 1\n";
    text += "use:\n  <<: *b\n";
    for (int i = 0; i < 60'000; ++i)
        text += "  o" + std::to_string(i) + ": 1\n";
    const auto d = read_document(text); // minutes, when each key is searched for in a list
    ASSERT_TRUE(d);
    EXPECT_EQ((*d)["use"].MemberCount(), 120'000u);
}

TEST(ReadDocument, AnAliasBombIsRefusedWithoutGrowing) {
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 12; ++i)
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + [&] {
            std::string s;
            for (int k = 0; k < 9; ++k)
                s += (k ? ",*a" : "*a") + std::to_string(i - 1);
            return s;
        }() + "]\n";
    EXPECT_EQ(refusal(bomb), errc::spec_too_large);
}

TEST(ReadDocument, AliasesCannotNestDeeperThanPlainText) {
    std::string deep = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
    for (int i = 1; i < 100; ++i)
        deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [[[[[[[[[[*a" + std::to_string(i - 1) +
                "]]]]]]]]]]\n";
    EXPECT_EQ(refusal(deep), errc::spec_too_large);
}

TEST(ReadDocument, ACycleOfAliasesIsRefused) {
    EXPECT_EQ(refusal("a: &a [*a]\n"), errc::spec_unreadable);
}

TEST(ReadDocument, DeepNestingIsRefused) {
    EXPECT_EQ(refusal(std::string(10'000, '[') + std::string(10'000, ']')), errc::spec_too_large);
    EXPECT_EQ(refusal("a: " + std::string(10'000, '[') + std::string(10'000, ']')), errc::spec_too_large);
    EXPECT_EQ(refusal(std::string(1'000'000, '[')), errc::spec_too_large);
    std::string block;
    for (int i = 0; i < 300; ++i)
        block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    EXPECT_EQ(refusal(block), errc::spec_too_large);
}

TEST(ReadDocument, WhatIsNotOneDataDocumentIsRefused) {
    for (const auto* text :
         {"", "   \n", "a: 1\n---\nb: 2\n", "{\"a\":", "a: !!python/object:os.system x", "a: !!js/function x",
          "a: 1\na: 2\n", "{\"a\":1,\"a\":2}", "a: *nowhere\n", "\xff\xfe", "a: [1"})
        EXPECT_EQ(refusal(text), errc::spec_unreadable) << text;
}

TEST(ReadDocument, ControlCharactersAreRefused) {
    EXPECT_EQ(refusal(std::string_view("a: x\0y\n", 7)), errc::spec_unreadable);
    EXPECT_EQ(refusal(std::string_view("a\0:\0 \0x\0", 8)), errc::spec_unreadable);
    EXPECT_EQ(refusal("a: \x1b[2J\n"), errc::spec_unreadable);
}

TEST(ReadDocument, LimitsOfSizeAndNodesHold) {
    EXPECT_EQ(refusal("abcdef", {.bytes = 5}), errc::spec_too_large);
    EXPECT_EQ(refusal("[1,2,3,4]", {.nodes = 4}), errc::spec_too_large);
    EXPECT_TRUE(read_document("[1,2,3]", {.nodes = 4}));
}

TEST(ReadDocument, ExtremeNumbersStayNumbers) {
    EXPECT_EQ(canonical(R"([9223372036854775807,18446744073709551615,1e-400])"),
              "[9223372036854775807,18446744073709551615,0.0]");
    EXPECT_NE(canonical("[1e-2147483648, 1e999]").find("1.7976931348623157e308"), std::string::npos);
}

constexpr std::string_view sound = "openapi: 3.1.0\ninfo: {title: T, version: 1.0}\n"
                                   "paths: {/a: {get: {responses: {}}, post: {}, parameters: []}}\n";

TEST(CheckOpenapi, ASoundDocumentTellsItsFacts) {
    const auto d = read_document(sound);
    const auto f = check_openapi(*d);
    ASSERT_TRUE(f) << f.error().message;
    EXPECT_EQ(f->title, "T");
    EXPECT_EQ(f->version, "1.0");
    EXPECT_EQ(f->operations, 2);
}

TEST(CheckOpenapi, OtherDocumentsAreRefused) {
    for (const auto* text :
         {"swagger: '2.0'\ninfo: {}\npaths: {}\n", "a: 1\n", "openapi: 4.0.0\ninfo: {}\npaths: {}\n", "[]", "x",
          "openapi: 3.0.0\npaths: {}\n", "openapi: 3.0.0\ninfo: {}\n", "openapi: 3.0.0\ninfo: {}\npaths: []\n"})
        EXPECT_EQ(check(text), errc::spec_not_openapi) << text;
}

TEST(CheckOpenapi, OnlyReferencesWithinTheDocumentAreFollowed) {
    for (const std::string_view target :
         {"http://169.254.169.254/", "file:///etc/passwd", "../other.yaml", "other.yaml#/a", ""})
        EXPECT_EQ(check(std::string(sound) + "x: [{$ref: '" + std::string(target) + "'}]\n"), errc::spec_remote_ref)
            << target;
    // Hidden behind aliases of keys and values.
    EXPECT_EQ(check(std::string(sound) + "k: &k $ref\nv: &v http://x/\ny: {*k : *v}\n"), errc::spec_remote_ref);
    EXPECT_TRUE(check_openapi(
        *read_document(std::string(sound) + "x: {$ref: '#/info'}\nproperties: {$ref: {type: string}}\n")));
}

} // namespace
} // namespace reprise::openapi
