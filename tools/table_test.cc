// SPDX-License-Identifier: Apache-2.0
#include "tools/table.h"

#include <gtest/gtest.h>
#include <sstream>

namespace causeway::tools {
namespace {

TEST(table, columns_are_as_wide_as_their_cells) {
    table t({{"name"}, {"n", table::align::right}});
    t.add({"a", "1"});
    t.add({"longer", "22"});
    EXPECT_EQ(t.text(), "name     n\n"
                        "a        1\n"
                        "longer  22\n");
}

TEST(table, no_line_is_wider_than_a_hundred_columns) {
    table t({{"host"}, {"subsystem"}, {"queues", table::align::right}});
    t.add({"nqn.2014-08.org.nvmexpress:uuid:" + std::string(190, 'h'), "nqn.2016-06.io.spdk:" + std::string(190, 's'),
           "12"});
    std::istringstream lines(t.text());
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 100u) << line;
    EXPECT_NE(t.text().find("nqn.2014-08.org"), std::string::npos);
    EXPECT_NE(t.text().find("12\n"), std::string::npos) << "a narrow column stays whole";
}

TEST(table, control_characters_in_a_cell_are_escaped) {
    table t({{"subsystem"}});
    t.add({"nqn.a\x1b[2J\nERROR"});
    EXPECT_EQ(t.text(), "subsystem\nnqn.a\\x1b[2J\\x0aERROR\n");
}

TEST(table, a_shortened_text_keeps_both_its_ends) {
    EXPECT_EQ(shortened("abcdefghij", 10), "abcdefghij");
    EXPECT_EQ(shortened("abcdefghijk", 10), "abcd..hijk");
    EXPECT_EQ(shortened("abcdefghijk", 7), "ab..ijk");
    EXPECT_EQ(shortened("abc", 1), "a");
}

}  // namespace
}  // namespace causeway::tools
