// SPDX-License-Identifier: Apache-2.0
// All rows over loop, in virtual time, and the document that is made of them.

#include "host/loop/loop_connector.h"
#include "tests/conformance/markdown.h"
#include "tests/conformance/runner.h"
#include "transport/loop/testing/loop_fixture.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace causeway::conformance {
namespace {

class conformance_over_loop : public ::testing::Test {
  protected:
    conformance_over_loop() { wait(gateway.build()); }
    ~conformance_over_loop() override {
        wait(gateway.tear_down());
        EXPECT_TRUE(run.run_until_idle());
    }
    void wait(core::task<> t) {
        bool over = false;
        run[0].execute([&] { core::detach(std::move(t), [&] { over = true; }); });
        EXPECT_TRUE(run.run_until([&] { return over; }));
    }

    core::simulation run{11, 2};
    loop::test::gateway gateway{run.group(), loop::data_path::copy_checked};
    host::loop_connector by{*gateway.transport, {"loop", "here", "4420"}};
};

TEST_F(conformance_over_loop, every_row_is_answered_as_it_says) {
    unsigned rows = 0;
    runner r(by, loop::test::subnqn, loop::test::hostnqn);
    wait([](runner& r, unsigned& rows) -> core::task<> {
        const auto ran = co_await r.run([&](const row& each, const std::string& wrong) {
            ++rows;
            EXPECT_EQ(wrong, "") << each.command << ", " << each.sent;
        });
        EXPECT_TRUE(ran) << ran.error().text();
    }(r, rows));
    EXPECT_GT(rows, 200u);
}

TEST(conformance_document, is_made_of_the_rows) {
    std::ifstream file(CAUSEWAY_CONFORMANCE_MD);
    std::stringstream document;
    document << file.rdbuf();
    EXPECT_TRUE(document.str() == markdown()) << "write it again: conformance --markdown > docs/conformance.md";
}

}  // namespace
}  // namespace causeway::conformance
