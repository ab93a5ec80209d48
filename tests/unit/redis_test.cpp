#include "common/redis/address.hpp"
#include "common/redis/resp.hpp"

#include <gtest/gtest.h>

namespace reprise::redis {
namespace {

TEST(Address, UrlsOfEachKindAreRead) {
    auto a = parse_address("redis://us%40er:p%3Aw@[::1]:7000/3");
    EXPECT_EQ(a.user, "us@er");
    EXPECT_EQ(a.password, "p:w");
    EXPECT_EQ(a.host, "::1");
    EXPECT_EQ(a.port, "7000");
    EXPECT_EQ(a.database, 3);
    EXPECT_EQ(a.shown(), "redis://::1:7000");
    EXPECT_EQ(parse_address("redis://h").port, "6379");
    EXPECT_EQ(parse_address("unix:///run/r.sock").path, "/run/r.sock");
}

TEST(Address, WhatCannotBeUsedIsRefusedByName) {
    for (const auto* url :
         {"", "http://x", "redis://", "redis://h:0x", "redis://h:70000", "unix://relative", "redis://[::1"})
        EXPECT_THROW(parse_address(url), std::invalid_argument) << url;
    try {
        parse_address("rediss://h");
        FAIL();
    } catch (const std::invalid_argument& e) {
        EXPECT_NE(std::string(e.what()).find("TLS"), std::string::npos);
    }
}

TEST(Command, ArgumentsMayHoldAnyBytes) {
    EXPECT_EQ(command::of("SET", std::string_view("a\0b", 3), "\r\n").bytes(),
              std::string("*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$2\r\n\r\n\r\n", 30));
}

TEST(Command, SizesAndCountsOfAllLengthsAreWritten) {
    std::vector<std::string> words;
    std::string bytes = "*12\r\n";
    for (const std::size_t size : {0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 65'536, 1'000'000}) {
        words.emplace_back(size, 'x');
        bytes += "$" + std::to_string(size) + "\r\n" + words.back() + "\r\n";
    }
    EXPECT_EQ(command(std::span<const std::string>(words)).bytes(), bytes);
}

TEST(ReplyReader, AReplySplitAcrossReadsIsDeliveredOnce) {
    reply_reader reader;
    const std::string_view bytes = "*3\r\n:7\r\n$-1\r\n$5\r\nhello\r\n+OK\r\n";
    int replies = 0;
    for (const char c : bytes) {
        reader.feed({&c, 1});
        while (auto r = reader.next())
            if (++replies == 1) {
                EXPECT_EQ(r->size(), 3u);
                EXPECT_EQ((*r)[0].number(), 7);
                EXPECT_TRUE((*r)[1].is_nil());
                EXPECT_EQ((*r)[2].text(), "hello");
            } else {
                EXPECT_EQ(r->text(), "OK");
            }
    }
    EXPECT_EQ(replies, 2);
}

TEST(ReplyReader, BrokenOrEndlessRepliesAreErrors) {
    reply_reader broken;
    broken.feed("what\r\n");
    EXPECT_THROW(broken.next(), protocol_error);
    reply_reader small(100);
    EXPECT_THROW(small.feed(std::string(101, 'x')), protocol_error);
}

TEST(Reply, OtherShapesThanExpectedAreExceptions) {
    reply_reader reader;
    reader.feed("*1\r\n$1\r\nx\r\n:1\r\n");
    const auto list = reader.next(), number = reader.next();
    EXPECT_THROW((*list)[1], unexpected_reply);
    EXPECT_THROW((void)list->text(), unexpected_reply);
    EXPECT_THROW((void)(*list)[0].number(), unexpected_reply);
    EXPECT_THROW((void)number->size(), unexpected_reply);
}

} // namespace
} // namespace reprise::redis
