// SPDX-License-Identifier: Apache-2.0
// All rows over loop, in virtual time, and the document that is made of them.

#include "host/loop/loop_connector.h"
#include "tests/conformance/markdown.h"
#include "tests/conformance/runner.h"
#include "transport/loop/testing/loop_fixture.h"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace causeway::conformance {
namespace {

class conformance_over_loop : public ::testing::Test {
  protected:
    conformance_over_loop() {
        wait(gateway.build());
        wait(add_ana());
        wait(add_authentication());
    }
    ~conformance_over_loop() override {
        wait(gateway.tear_down());
        for (const std::string& name : disks)
            wait(remove(name));
        EXPECT_TRUE(run.run_until_idle());
    }
    void wait(core::task<> t) {
        bool over = false;
        run[0].execute([&] { core::detach(std::move(t), [&] { over = true; }); });
        EXPECT_TRUE(run.run_until([&] { return over; }));
    }

    core::task<nvmf::subsystem*> add_subsystem(nvmf::subsystem_options o) {
        const auto made = co_await gateway.target->create_subsystem(std::move(o));
        EXPECT_TRUE(made);
        const auto listening = co_await (*made)->listeners().add(loop::test::here);
        EXPECT_TRUE(listening);
        co_return *made;
    }
    core::task<> add_disk(nvmf::subsystem& s, std::string name) {
        const auto disk = bdev::memory_device::create(run.group().control(), name, {.block_size = 512, .blocks = 64},
                                                      bdev::uuid_of_name(name));
        EXPECT_TRUE(disk);
        EXPECT_TRUE(gateway.devices.add(*disk));
        disks.push_back(name);
        nvmf::namespace_params p;
        p.bdev_name = std::move(name);
        const auto added = co_await s.namespaces().add(p);
        EXPECT_TRUE(added);
    }
    core::task<> remove(std::string name) {
        const auto removed = co_await gateway.devices.remove(name);
        EXPECT_TRUE(removed);
    }
    core::task<> add_ana() {
        using nvme::ana_state;
        nvmf::subsystem_options o;
        o.nqn = at.ana;
        o.allow_any_host = o.ana_reporting = true;
        o.max_namespaces = 8;
        ana = co_await add_subsystem(std::move(o));
        std::uint32_t group = 0;
        for (const ana_state state : {ana_state::optimized, ana_state::non_optimized, ana_state::inaccessible,
                                      ana_state::persistent_loss, ana_state::change}) {
            ++group;
            co_await add_disk(*ana, fmt::format("ana{}", group));
            const auto set = co_await ana->ana().set_state(loop::test::here, state, group);
            EXPECT_TRUE(set);
        }
    }
    core::task<> add_authentication() {
        nvmf::subsystem_options o;
        o.nqn = at.authentication;
        nvmf::subsystem* const s = co_await add_subsystem(std::move(o));
        co_await add_disk(*s, "authentication");
        const auto key = [](std::string_view text) {
            return std::make_shared<const nvmf::key>(
                nvmf::key{"name", "/path", core::secret(text.begin(), text.end())});
        };
        EXPECT_TRUE(s->access().add_host(
            loop::test::hostnqn, {.dhchap = key(nvmf::test::key_of_a), .dhchap_ctrlr = key(nvmf::test::key_of_disks)}));
    }
    core::task<core::result<>> set_ana(ana_change c) {
        co_await core::switch_to(run.group().control());
        auto set = co_await ana->ana().set_state(loop::test::here, c.state, c.group);
        co_return set;
    }

    const subsystems at{loop::test::subnqn, loop::test::subnqn + ".ana", loop::test::subnqn + ".authentication"};
    std::vector<std::string> disks;
    nvmf::subsystem* ana = nullptr;
    core::simulation run{11, 2};
    loop::test::gateway gateway{
        run.group(), loop::data_path::copy_checked, {}, {.discovery_nqn = "nqn.2024-01.io.causeway:discovery"}};
    host::loop_connector by{*gateway.transport, {"loop", "here", "4420"}};
};

TEST_F(conformance_over_loop, every_row_is_answered_as_it_says) {
    unsigned rows = 0;
    runner r(by, at, loop::test::hostnqn, [this](ana_change c) { return set_ana(c); });
    wait([](runner& r, unsigned& rows) -> core::task<> {
        const auto ran = co_await r.run([&](const row& each, const std::string& wrong) {
            ++rows;
            EXPECT_EQ(wrong, "") << each.command << ", " << each.sent;
        });
        EXPECT_TRUE(ran) << ran.error().text();
    }(r, rows));
    EXPECT_GT(rows, 500u);
}

TEST(conformance_document, is_made_of_the_rows) {
    std::ifstream file(CAUSEWAY_CONFORMANCE_MD);
    std::stringstream document;
    document << file.rdbuf();
    EXPECT_TRUE(document.str() == markdown()) << "write it again: conformance --markdown > docs/conformance.md";
}

}  // namespace
}  // namespace causeway::conformance
