// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::cc;
using nvme::csts;
using nvme::property;

cc enabled() {
    return cc().set_iosqes(6).set_iocqes(4).set_en(true);
}

class properties : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();

    connection& connected(std::string subnqn = subsystem_nqn) {
        auto& c = w.connect_to(1);
        EXPECT_EQ(c.call(nvmf::test::connect(0), raw(connect_data(subnqn, host_a))).status(), sc::success);
        return c;
    }
    static std::uint64_t value(connection& c, property p) {
        const capsule& got = c.call(property_get(p));
        EXPECT_EQ(got.status(), sc::success);
        return got.completion.result64();
    }
    static csts status_of(connection& c) { return {static_cast<std::uint32_t>(value(c, property::csts))}; }
};

TEST_F(properties, say_what_the_controller_can_do) {
    auto& c = connected();
    const nvme::cap cap{value(c, property::cap)};
    EXPECT_EQ(cap.mqes(), 127u);
    EXPECT_TRUE(cap.cqr());
    EXPECT_EQ(cap.to(), 30u);
    EXPECT_EQ(cap.css(), nvme::cap::css_nvm);
    EXPECT_EQ(cap.mpsmin(), 0u);
    EXPECT_EQ(cap.mpsmax(), 0u);
    EXPECT_TRUE(cap.crwms());
    EXPECT_FALSE(cap.crims());
    EXPECT_FALSE(cap.nssrs());
    EXPECT_EQ(value(c, property::vs), 0x00020000u);
    EXPECT_EQ(value(c, property::crto), 30u);
    EXPECT_EQ(value(c, property::cc), 0u);
    EXPECT_EQ(value(c, property::csts), 0u);
}

TEST_F(properties, that_do_not_exist_are_refused) {
    auto& c = connected();
    for (const std::uint32_t offset : {0x0cu, 0x10u, 0x20u, 0x24u, 0x28u, 0x30u, 0x38u, 0x01u, 0x15u, 0x1000u, ~0u}) {
        SCOPED_TRACE(offset);
        EXPECT_TRUE(c.call(property_get(static_cast<property>(offset))).status().is(sc::invalid_field));
        EXPECT_TRUE(c.call(property_set(static_cast<property>(offset), 0)).status().is(sc::invalid_field));
    }
    for (const property p : {property::cap, property::vs, property::csts, property::crto})
        EXPECT_TRUE(c.call(property_set(p, 1)).status().is(sc::invalid_field)) << "read-only";
}

TEST_F(properties, have_one_size_each) {
    auto& c = connected();
    for (const property p : {property::cap, property::vs, property::cc, property::csts}) {
        auto command = std::bit_cast<nvme::property_get_command>(property_get(p));
        command.attrib ^= 1;
        EXPECT_TRUE(c.call(std::bit_cast<nvme::command>(command)).status().is(sc::invalid_field));
        command.attrib = 2;
        EXPECT_TRUE(c.call(std::bit_cast<nvme::command>(command)).status().is(sc::invalid_field));
    }
    auto command = std::bit_cast<nvme::property_set_command>(property_set(property::cc, enabled().value));
    command.attrib = 1;
    EXPECT_TRUE(c.call(std::bit_cast<nvme::command>(command)).status().is(sc::invalid_field));
    EXPECT_FALSE(status_of(c).rdy());
}

TEST_F(properties, belong_to_the_admin_queue) {
    host h = w.make_host(host_a, 1);
    EXPECT_TRUE(h.queues[0]->call(property_get(property::cap)).status().is(sc::invalid_queue_type));
    EXPECT_TRUE(h.queues[0]->call(property_set(property::cc, 0)).status().is(sc::invalid_queue_type));
}

TEST_F(properties, a_controller_runs_commands_from_enable_to_reset) {
    auto& c = connected();
    EXPECT_TRUE(c.call(identify(nvme::cns::controller)).status().is(sc::command_sequence_error));
    EXPECT_TRUE(c.call(admin(nvme::admin_opcode::keep_alive)).status().is(sc::command_sequence_error));
    c.call(property_set(property::cc, enabled().value));
    EXPECT_TRUE(status_of(c).rdy());
    EXPECT_EQ(value(c, property::cc), enabled().value);
    EXPECT_EQ(c.call(identify(nvme::cns::controller)).status(), sc::success);
    c.call(property_set(property::cc, 0));
    EXPECT_FALSE(status_of(c).rdy());
    EXPECT_TRUE(c.call(identify(nvme::cns::controller)).status().is(sc::command_sequence_error));
    c.call(property_set(property::cc, enabled().value));
    EXPECT_EQ(c.call(identify(nvme::cns::controller)).status(), sc::success);
}

TEST_F(properties, a_configuration_that_does_not_exist_is_a_fatal_status_until_reset) {
    struct {
        const char* sentence;
        cc value;
    } const rows[] = {
        {"all command sets, which CAP does not offer", enabled().set_css(cc::css_all)},
        {"the admin command set only", enabled().set_css(cc::css_admin_only)},
        {"large pages", enabled().set_mps(1)},
        {"weighted round robin", enabled().set_ams(1)},
        {"submission queue entries of 128 bytes", enabled().set_iosqes(7)},
        {"no size of completion queue entries", enabled().set_iocqes(0)},
    };
    auto& c = connected();
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        c.call(property_set(property::cc, row.value.value));
        EXPECT_TRUE(status_of(c).cfs());
        EXPECT_FALSE(status_of(c).rdy());
        c.call(property_set(property::cc, 0));
        EXPECT_FALSE(status_of(c).cfs());
    }
    EXPECT_TRUE(c.call(property_set(property::cc, enabled().set_shn(cc::shutdown::reserved).value))
                    .status()
                    .is(sc::invalid_field));
}

TEST_F(properties, discovery_controllers_do_not_care_for_the_sizes_of_queue_entries) {
    auto& c = connected(std::string(nvme::discovery_nqn));
    c.call(property_set(property::cc, cc().set_en(true).value));
    EXPECT_TRUE(status_of(c).rdy());
}

TEST_F(properties, reset_and_shutdown_close_io_queues_and_keep_the_admin_queue) {
    for (const bool shutdown : {false, true}) {
        SCOPED_TRACE(shutdown ? "shutdown" : "reset");
        host h = w.make_host(host_a, 3);
        const cc value = shutdown ? enabled().set_shn(cc::shutdown::normal) : cc();
        h.admin->call(property_set(property::cc, value.value));
        for (connection* q : h.queues) {
            EXPECT_TRUE(w.until([&] { return q->gone; }));
            EXPECT_EQ(q->closed,
                      shutdown ? disconnect_reason::controller_shutdown : disconnect_reason::controller_reset);
        }
        EXPECT_TRUE(w.until([&] { return shutdown ? h.csts().shst() == csts::shutdown::complete : !h.csts().rdy(); }));
        EXPECT_FALSE(h.admin->closed);
        h.admin->drop();
        EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    }
}

TEST_F(properties, reset_and_shutdown_are_complete_when_no_write_can_land_any_more) {
    auto disk = w.make_faulty("disk");
    w.add(s, "disk");
    for (const bool shutdown : {false, true}) {
        SCOPED_TRACE(shutdown ? "shutdown" : "reset");
        host h = w.make_host(host_a, 1);
        disk->add_rule({.what = bdev::fault_rule::kind::hang});
        h.queues[0]->send(io(nvme::io_opcode::write, 1), filled(512, 1));
        EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
        h.admin->call(property_set(property::cc, shutdown ? enabled().set_shn(cc::shutdown::abrupt).value : 0));
        EXPECT_TRUE(w.until([&] { return h.queues[0]->closed.has_value(); }));
        w.pass(std::chrono::seconds(1));
        EXPECT_TRUE(shutdown ? h.csts().shst() == csts::shutdown::occurring : h.csts().rdy());
        disk->clear_rules();
        w.run(disk->release_hung());
        EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
        EXPECT_TRUE(shutdown ? h.csts().shst() == csts::shutdown::complete : !h.csts().rdy());
        h.admin->drop();
        EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    }
}

TEST_F(properties, enabling_again_before_a_reset_is_complete_waits_for_it) {
    auto disk = w.make_faulty("disk");
    w.add(s, "disk");
    host h = w.make_host(host_a, 1);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    h.queues[0]->send(io(nvme::io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    h.admin->call(property_set(property::cc, 0));
    h.admin->call(property_set(property::cc, enabled().value));
    EXPECT_TRUE(h.admin->call(identify(nvme::cns::controller)).status().is(sc::command_sequence_error));
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    EXPECT_TRUE(h.csts().rdy());
    EXPECT_EQ(h.admin->call(identify(nvme::cns::controller)).status(), sc::success);
}

TEST_F(properties, a_reset_forgets_what_the_host_has_set) {
    host h = w.make_host(host_a, 0);
    h.admin->call(set_features(nvme::fid::async_event_configuration, 0x100));
    h.admin->call(set_features(nvme::fid::arbitration, 3));
    auto& waiting = h.admin->send(admin(nvme::admin_opcode::async_event_request));
    h.admin->call(property_set(property::cc, 0));
    EXPECT_TRUE(w.until([&] { return waiting.answered; }));
    EXPECT_TRUE(waiting.status().is(sc::aborted_sq_deletion));
    w.enable(h);
    EXPECT_EQ(h.admin->call(get_features(nvme::fid::async_event_configuration)).dw0(), 0u);
    EXPECT_EQ(h.admin->call(get_features(nvme::fid::arbitration)).dw0(), 0u);
}

}  // namespace
}  // namespace causeway::nvmf::test
