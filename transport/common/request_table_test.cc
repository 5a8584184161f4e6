// SPDX-License-Identifier: Apache-2.0
#include "transport/common/request_table.h"

#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace causeway::common {
namespace {

struct plain_request final : request<plain_request> {};
using plain_table = request_table<plain_request>;

struct table_of_requests : testing::Test {
    plain_request* take() {
        plain_request* r = table.take();
        if (r) {
            EXPECT_EQ(r->at, step::free);
            r->at = step::executing;
        }
        return r;
    }
    std::vector<plain_request*> take_all() {
        std::vector<plain_request*> all;
        while (plain_request* r = take())
            all.push_back(r);
        return all;
    }

    unsigned made = 0;
    plain_table table{[this](plain_request&) { ++made; }};
};

TEST_F(table_of_requests, has_one_request_before_more_are_allowed) {
    EXPECT_EQ(made, 1u);
    plain_request* const only = take();
    ASSERT_TRUE(only);
    EXPECT_TRUE(table.exhausted());
    EXPECT_EQ(take(), nullptr);
    table.release(*only);
    EXPECT_EQ(take(), only);
}

TEST_F(table_of_requests, has_as_many_as_allowed_whatever_fits_in_a_group) {
    for (const std::uint32_t entries : {1u, 2u, 8u, 9u, 10u, 128u, 4096u}) {
        plain_table t([](plain_request&) {});
        ASSERT_TRUE(t.allow(entries));
        std::set<std::uint16_t> indexes;
        while (plain_request* r = t.take()) {
            indexes.insert(r->index);
            EXPECT_EQ(t.find(r->index), r);
        }
        EXPECT_EQ(indexes.size(), entries);
        EXPECT_LT(*indexes.rbegin(), entries + plain_table::group_size);
        EXPECT_EQ(t.find(entries + plain_table::group_size), nullptr);
    }
}

TEST_F(table_of_requests, makes_no_more_than_are_needed_at_a_time) {
    ASSERT_TRUE(table.allow(128));
    for (int i = 0; i < 1000; ++i) {
        plain_request* const a = take();
        plain_request* const b = take();
        table.release(*a);
        table.release(*b);
    }
    EXPECT_EQ(made, 1 + plain_table::group_size);
    EXPECT_EQ(table.find(1 + plain_table::group_size), nullptr);
}

TEST_F(table_of_requests, keeps_what_is_taken_when_it_closes_and_nothing_else) {
    ASSERT_TRUE(table.allow(128));
    take_all();
    const std::size_t full = table.bytes();
    plain_request* const hung = table.find(40);
    for (std::size_t i = 1; i < 128; i += 2)
        table.release(*table.find(i));
    table.close();
    EXPECT_EQ(table.bytes(), full) << "half of each group is taken";
    for (std::size_t i = 0; i < 128; i += 2)
        if (i != hung->index)
            table.release(*table.find(i));
    EXPECT_EQ(table.taken(), 1u);
    EXPECT_LE(table.bytes(), full / 8);
    EXPECT_EQ(table.find(40), hung);
    EXPECT_EQ(table.take(), nullptr);
    table.release(*hung);
    EXPECT_LE(table.bytes(), 16 * sizeof(void*));
}

TEST_F(table_of_requests, visits_all_even_if_they_are_given_back_meanwhile) {
    ASSERT_TRUE(table.allow(20));
    const auto all = take_all();
    table.close();
    std::size_t visited = 0;
    table.any_of([&](plain_request& r) {
        ++visited;
        table.release(r);
        return false;
    });
    EXPECT_EQ(visited, all.size());
    EXPECT_EQ(table.taken(), 0u);
}

}  // namespace
}  // namespace causeway::common
