// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/model.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace causeway::simulation {
namespace {

constexpr auto acknowledged = disk_model::outcome::acknowledged;
constexpr auto maybe = disk_model::outcome::maybe;
constexpr auto refused = disk_model::outcome::refused;

struct step {
    enum { write, end, lose, refuse, found } what;
    value v;
    moment at;
};

struct row {
    const char* sentence;
    std::vector<step> steps;
    moment read_begin, read_end;
    std::vector<value> may_find;
};

const row rows[] = {
    {"a new disk is zero", {}, 1, 2, {0}},
    {"an acknowledged write is found", {{step::write, 7, 1}, {step::end, 7, 2}}, 3, 4, {7}},
    {"one on its way may be found or not", {{step::write, 7, 1}}, 3, 4, {0, 7}},
    {"one that came after the read may not", {{step::write, 7, 5}}, 3, 4, {0}},
    {"one that was answered during the read may be missed", {{step::write, 7, 1}, {step::end, 7, 4}}, 3, 5, {0, 7}},
    {"a failed one may have taken effect", {{step::write, 7, 1}, {step::lose, 7, 2}}, 3, 4, {0, 7}},
    {"two at once: either",
     {{step::write, 7, 1}, {step::write, 8, 2}, {step::end, 8, 3}, {step::end, 7, 4}},
     5,
     6,
     {7, 8}},
    {"one after the other: the later",
     {{step::write, 7, 1}, {step::end, 7, 2}, {step::write, 8, 3}, {step::end, 8, 4}},
     5,
     6,
     {8}},
    {"a failed one is replaced by a later one",
     {{step::write, 7, 1}, {step::lose, 7, 2}, {step::write, 8, 3}, {step::end, 8, 4}},
     5,
     6,
     {8}},
    {"one that still haunts the target is not",
     {{step::write, 7, 1}, {step::write, 8, 3}, {step::end, 8, 4}},
     5,
     6,
     {7, 8}},
    {"a refused one has not", {{step::write, 7, 1}, {step::refuse, 7, 2}}, 3, 4, {0}},
    {"what a read has found does not go back", {{step::write, 7, 1}, {step::found, 7, 3}}, 5, 6, {7}},
    {"not even if it failed afterwards", {{step::write, 7, 1}, {step::found, 7, 3}, {step::lose, 7, 4}}, 5, 6, {7}},
};

TEST(model, rows) {
    for (const row& r : rows) {
        disk_model m(1, 512, 1);
        std::map<value, moment> begun;
        m.begin_read(r.read_begin);
        for (const step& s : r.steps) {
            if (s.what == step::write)
                m.begin_write(s.v, 0, 1, begun[s.v] = s.at);
            else if (s.what == step::found)
                m.found(s.v, 0, s.at);
            else
                m.end_write(s.v, 0, 1, begun[s.v],
                            s.what == step::end    ? acknowledged
                            : s.what == step::lose ? maybe
                                                   : refused,
                            s.at);
        }
        auto found = m.candidates(0, r.read_begin, r.read_end);
        std::sort(found.begin(), found.end());
        EXPECT_EQ(found, r.may_find) << r.sentence;
    }
}

TEST(model, what_a_read_may_still_find_is_not_forgotten) {
    disk_model m(1, 512, 1);
    m.begin_read(1);
    for (value v = 1; v <= 10; ++v) {
        m.begin_write(v, 0, 1, 10 * v);
        m.end_write(v, 0, 1, 10 * v, acknowledged, 10 * v + 1);
    }
    EXPECT_EQ(m.candidates(0, 1, 200).size(), 11u);
    EXPECT_EQ(m.candidates(0, 150, 200), std::vector<value>{10});
    m.end_read(1);
    m.begin_write(11, 0, 1, 300);
    EXPECT_EQ(m.candidates(0, 1, 400).size(), 2u) << "and then it is";
}

TEST(model, a_refused_write_must_not_have_been_found) {
    disk_model m(1, 512, 1);
    m.begin_write(7, 0, 1, 1);
    m.found(7, 0, 3);
    EXPECT_FALSE(m.end_write(7, 0, 1, 1, refused, 4));
}

TEST(model, bytes_tell_value_block_and_disk) {
    disk_model m(3, 512, 8);
    std::vector<std::byte> data(1024);
    m.fill(data, 77, 4);
    const std::span bytes(data);
    EXPECT_EQ(m.decode(bytes.first(512), 4), 77u);
    EXPECT_EQ(m.decode(bytes.last(512), 5), 77u);
    EXPECT_EQ(m.decode(bytes.last(512), 4), std::nullopt) << "swapped blocks";
    EXPECT_EQ(disk_model(2, 512, 8).decode(bytes.first(512), 4), std::nullopt) << "another disk";
    data[511] ^= std::byte{1};
    EXPECT_EQ(m.decode(bytes.first(512), 4), std::nullopt) << "torn";
    m.fill(data, 0, 4);
    EXPECT_EQ(m.decode(bytes.first(512), 4), 0u);
    EXPECT_EQ(m.decode(bytes.first(512), 7), 0u) << "zeroes are zeroes everywhere";
}

}  // namespace
}  // namespace causeway::simulation
