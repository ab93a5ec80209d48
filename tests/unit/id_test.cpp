#include "common/run/id.hpp"

#include <gtest/gtest.h>

namespace reprise {
namespace {

constexpr std::string_view dice = "0123456789abcdef";

TEST(Id, ARunIdTellsItsPartition) {
    const auto id = make_id(id_kind::run, 37, 1'700'000'000'000, dice);
    EXPECT_EQ(id.size(), 32u);
    EXPECT_EQ(partition_of(id_kind::run, id), 37u);
}

TEST(Id, IdsOfLaterTimesSortLater) {
    EXPECT_LT(make_id(id_kind::run, 0, 1'700'000'000'000, "zzzzzzzzzzzzzzzz"),
              make_id(id_kind::run, 0, 1'700'000'000'001, "0000000000000000"));
}

TEST(Id, WhatIsNotExactlyAnIdHasNoPartition) {
    const auto id = make_id(id_kind::run, 0, 1, dice);
    EXPECT_FALSE(partition_of(id_kind::project, id));
    EXPECT_FALSE(partition_of(id_kind::run, id + "0"));
    EXPECT_FALSE(partition_of(id_kind::run, id.substr(1)));
    EXPECT_FALSE(partition_of(id_kind::run, ""));
    auto upper = id;
    upper[6] = 'A';
    EXPECT_FALSE(partition_of(id_kind::run, upper));
    auto strange = id;
    strange.back() = 'u'; // not in the alphabet
    EXPECT_FALSE(partition_of(id_kind::run, strange));
}

} // namespace
} // namespace reprise
