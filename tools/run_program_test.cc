// SPDX-License-Identifier: Apache-2.0
#include "tools/run_program.h"

#include <gtest/gtest.h>

namespace causeway::tools {
namespace {

using std::chrono::milliseconds;

TEST(run_program, what_it_prints_if_it_succeeds) {
    EXPECT_EQ(run_program({"sh", "-c", "echo one; echo two"}), "one\ntwo\n");
    EXPECT_EQ(run_program({"sh", "-c", "echo one; exit 1"}), std::nullopt);
    EXPECT_EQ(run_program({"no-such-program-anywhere"}), std::nullopt);
}

// Each would take an hour.
TEST(run_program, what_does_not_end_is_ended) {
    EXPECT_EQ(run_program({"sleep", "3600"}, milliseconds(50)), std::nullopt) << "it says nothing";
    EXPECT_EQ(run_program({"sh", "-c", "exec >&-; exec sleep 3600"}, milliseconds(50)), std::nullopt)
        << "it closes its output";
    EXPECT_EQ(run_program({"sh", "-c", "n=0; while [ $n -lt 3600000 ]; do echo; sleep 0.01; n=$((n+1)); done"},
                          milliseconds(200)),
              std::nullopt)
        << "it says something again and again";
}

}  // namespace
}  // namespace causeway::tools
