// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/accept_queue.h"

#include <gtest/gtest.h>
#include <string>

namespace causeway::rdma {
namespace {

constexpr std::uint64_t a = 1, b = 2, c = 3;

class accept_queue_test : public testing::Test {
  protected:
    void push(std::uint64_t address, char& request, const char* dropped = nullptr) {
        ASSERT_TRUE(queue.has_room_for(address));
        const char* const lost = queue.push(address, request);
        EXPECT_EQ(lost ? std::string(1, *lost) : "", dropped ? dropped : "");
    }
    std::string pop_all() {
        std::string order;
        while (!queue.empty())
            order += queue.pop();
        return order;
    }

    std::string names = "123456789xyz";
    accept_queue<char> queue{6};
};

TEST_F(accept_queue_test, addresses_take_turns) {
    for (std::size_t i = 0; i < 4; ++i)
        push(a, names[i]);
    push(b, names[9]);
    push(c, names[10]);
    EXPECT_EQ(pop_all(), "1xy234");
    push(b, names[9]);
    EXPECT_EQ(pop_all(), "x") << "nothing is kept of those that have gone";
}

TEST_F(accept_queue_test, one_address_in_many_requests_keeps_the_order) {
    for (std::size_t i = 0; i < 6; ++i)
        push(a, names[i]);
    EXPECT_EQ(pop_all(), "123456");
}

TEST_F(accept_queue_test, who_fills_it_makes_room_for_others_and_for_itself_not) {
    for (std::size_t i = 0; i < 6; ++i)
        push(a, names[i]);
    EXPECT_FALSE(queue.has_room_for(a));
    push(b, names[9], "6");
    push(b, names[10], "5");
    push(b, names[11], "4");
    EXPECT_FALSE(queue.has_room_for(b)) << "both have three";
    EXPECT_FALSE(queue.has_room_for(a));
    ASSERT_TRUE(queue.has_room_for(c));
    EXPECT_NE(queue.push(c, names[8]), nullptr) << "of either";
    EXPECT_EQ(queue.size(), 6u);
}

}  // namespace
}  // namespace causeway::rdma
