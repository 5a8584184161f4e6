// SPDX-License-Identifier: Apache-2.0
#include "core/nearest_name.h"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace causeway::core {
namespace {

constexpr std::array<std::string_view, 3> names = {"nqn", "namespace", "name"};

TEST(nearest_name, is_the_one_with_the_fewest_typos) {
    EXPECT_EQ(nearest_name("namespaec", names), "namespace");
    EXPECT_EQ(nearest_name("nmae", names), "name");
    EXPECT_EQ(nearest_name("nqnn", names), "nqn");
}

TEST(nearest_name, is_not_guessed_from_what_is_far_or_short_or_long) {
    EXPECT_EQ(nearest_name("colour", names), "");
    EXPECT_EQ(nearest_name("nq", names), "");
    EXPECT_EQ(nearest_name(std::string(100'000, 'n'), names), "");
    EXPECT_EQ(nearest_name("name", {}), "");
}

}  // namespace
}  // namespace causeway::core
