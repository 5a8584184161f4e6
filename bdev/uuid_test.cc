// SPDX-License-Identifier: Apache-2.0
#include "bdev/uuid.h"

#include <gtest/gtest.h>
#include <set>

namespace causeway::bdev {
namespace {

TEST(uuid, text_and_bytes_say_the_same) {
    const auto u = uuid_from("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6");
    ASSERT_TRUE(u);
    EXPECT_EQ((*u)[0], 0xf8);
    EXPECT_EQ((*u)[15], 0xf6);
    EXPECT_EQ(to_string(*u), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

TEST(uuid, what_is_none_is_refused) {
    for (const char* text :
         {"", "f81d4fae", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6a",
          "f81d4fae7dec11d0a76500a0c91e6bf6", "g81d4fae-7dec-11d0-a765-00a0c91e6bf6",
          "f81d4fae-7dec-11d0-a765_00a0c91e6bf6", "f81d4fa-e7dec-11d0-a765-00a0c91e6bf6"}) {
        const auto u = uuid_from(text);
        ASSERT_FALSE(u) << text;
        EXPECT_EQ(u.error().code, EINVAL);
    }
}

TEST(uuid, random_ones_differ_and_say_that_they_are_random) {
    const uuid a = random_uuid(), b = random_uuid();
    EXPECT_NE(a, b);
    EXPECT_EQ(a[6] >> 4, 4);
    EXPECT_EQ(a[8] >> 6, 2);
}

TEST(uuid, a_name_always_has_the_same_one) {
    // Hosts know disks by it: a change here would rename every disk in the field.
    EXPECT_EQ(to_string(uuid_of_name("")), "aeca5359-2cda-87ce-8e32-f1cf03efa1be");
    EXPECT_EQ(to_string(uuid_of_name("fsid/2//10226b8b4567")), "5275c61f-6d3a-8039-9a04-0619176cd85c");
}

TEST(uuid, names_that_hardly_differ_have_others) {
    std::set<uuid> seen;
    for (int pool = 0; pool < 20; ++pool)
        for (int image = 0; image < 500; ++image)
            seen.insert(uuid_of_name("fsid/" + std::to_string(pool) + "//" + std::to_string(image)));
    EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace causeway::bdev
