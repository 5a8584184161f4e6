// SPDX-License-Identifier: Apache-2.0
#include "core/lcore_map.h"

#include <gtest/gtest.h>

namespace causeway::core {
namespace {

struct row {
    const char* sentence;
    const char* text;
    const char* expected;  ///< as DPDK's option; "": refused
};

const row masks[] = {
    {"a mask in hexadecimal", "0x3", "0@(0),1@(1)"},
    {"without its prefix, too", "3", "0@(0),1@(1)"},
    {"with a capital prefix", "0XA", "0@(1),1@(3)"},
    {"lcores are numbered from 0 wherever their CPUs are", "0x80", "0@(7)"},
    {"CPUs beyond 64", "0x100000000000000000", "0@(68)"},
    {"a list", "[0,2-3]", "0@(0),1@(2),2@(3)"},
    {"a list in any order, with repetitions", "[3,1,1-2]", "0@(1),1@(2),2@(3)"},
    {"nothing", "", ""},
    {"only the prefix", "0x", ""},
    {"no CPU at all", "0x0", ""},
    {"no hexadecimal number", "0x3g", ""},
    {"a sign", "-1", ""},
    {"an empty list", "[]", ""},
    {"a list that does not end", "[0,1", ""},
    {"more behind a list", "[0]1", ""},
    {"a range backwards", "[3-1]", ""},
    {"half a range", "[1-]", ""},
    {"a comma too many", "[1,]", ""},
    {"a number beyond all CPUs", "[4096]", ""},
    {"a number beyond all numbers", "[99999999999999999999]", ""},
    {"more cores than DPDK has", "[0-128]", ""},
};

TEST(lcore_map, reads_core_masks) {
    for (const auto& r : masks) {
        const auto map = parse_core_mask(r.text);
        EXPECT_EQ(map ? to_string(*map) : "", r.expected) << r.sentence;
        EXPECT_EQ(map ? 0 : map.error().code, *r.expected ? 0 : EINVAL) << r.sentence;
    }
}

const row lcores[] = {
    {"one", "0", "0@(0)"},
    {"a range", "1-2", "1@(1),2@(2)"},
    {"lcores put on CPUs", "0@2,1@5", "0@(2),1@(5)"},
    {"many on one CPU", "(0-2)@0", "0@(0),1@(0),2@(0)"},
    {"one on many CPUs", "1@(4-6)", "1@(4,5,6)"},
    {"by ascending number, as DPDK has them", "3@0,1@1", "1@(1),3@(0)"},
    {"nothing", "", ""},
    {"a CPU is missing", "0@", ""},
    {"a parenthesis is missing", "(0-2@0", ""},
    {"one named twice", "0@1,0@2", ""},
    {"a number that DPDK does not have", "128@0", ""},
    {"more behind it", "0 1", ""},
};

TEST(lcore_map, reads_lcores) {
    for (const auto& r : lcores) {
        const auto map = parse_lcores(r.text);
        EXPECT_EQ(map ? to_string(*map) : "", r.expected) << r.sentence;
    }
}

}  // namespace
}  // namespace causeway::core
