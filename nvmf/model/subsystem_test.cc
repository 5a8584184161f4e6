// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/subsystem_fixture.h"

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;
using nvme::io_opcode;

TEST(subsystem_options, are_checked) {
    nvmf_fixture w;
    const auto code = [&](const std::function<void(subsystem_options&)>& spoil) {
        subsystem_options o;
        o.nqn = subsystem_nqn;
        spoil(o);
        const auto made = w.run(w.target.create_subsystem(o));
        return made ? 0 : made.error().code;
    };
    EXPECT_EQ(code([](auto& o) { o.nqn = "disks"; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.nqn = nvme::discovery_nqn; }), EEXIST);
    EXPECT_EQ(code([](auto& o) { o.discovery = true; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.serial_number = std::string(21, 'x'); }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.serial_number = "\n"; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.model_number = std::string(41, 'x'); }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.model_number = ""; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.min_cntlid = 0; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.max_cntlid = 0xfff0; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.min_cntlid = 10, o.max_cntlid = 9; }), EINVAL);
    EXPECT_EQ(code([](auto& o) { o.max_namespaces = 65537; }), EINVAL);
    EXPECT_EQ(code([](auto&) {}), 0);
    EXPECT_EQ(code([](auto&) {}), EEXIST);
    EXPECT_EQ(code([](auto& o) { o.nqn += "2", o.max_namespaces = 0; }), 0);
    EXPECT_EQ(w.target.find_subsystem(subsystem_nqn + "2")->options().max_namespaces, 32u) << "0 is the default";
}

TEST(subsystem_options, subsystems_are_no_more_than_max_subsystems) {
    core::simulation sim(1);
    bdev::registry devices(sim.group());
    core::placement homes(sim.group());
    target t(homes, devices, {.max_subsystems = 2});
    std::vector<int> codes;
    for (const char* nqn : {"nqn.2024-01.io.example:1", "nqn.2024-01.io.example:2", "nqn.2024-01.io.example:3"}) {
        subsystem_options o;
        o.nqn = nqn;
        sim.group().control().execute([&, o] {
            core::detach(t.create_subsystem(o), [&](auto made) { codes.push_back(made ? 0 : made.error().code); });
        });
        EXPECT_TRUE(sim.run_until_idle());
    }
    EXPECT_EQ(codes, (std::vector{0, 0, ENOSPC}));
}

TEST_F(subsystem_control, serial_numbers_differ_and_are_the_same_on_every_gateway) {
    nvmf_fixture other(2);
    const std::string mine = s.options().serial_number;
    EXPECT_EQ(mine.size(), 20u);
    EXPECT_EQ(other.make_subsystem().options().serial_number, mine);
    EXPECT_NE(w.make_subsystem("nqn.2024-01.io.example:other").options().serial_number, mine);
}

TEST_F(subsystem_control, deleted_while_hosts_use_it) {
    auto disk = w.make_memory("disk");
    w.add(s, "disk");
    host a = w.make_host(host_a, 2);
    host b = w.make_host(host_b, 1);
    auto& event = a.admin->send(admin(nvme::admin_opcode::async_event_request));
    auto& running = a.queues[0]->send(io(io_opcode::read, 1), bytes(512));
    EXPECT_TRUE(w.run(w.target.delete_subsystem(subsystem_nqn)));
    EXPECT_EQ(w.target.find_subsystem(subsystem_nqn), nullptr);
    for (connection* c : {a.admin, a.queues[0], a.queues[1], b.admin, b.queues[0]})
        EXPECT_EQ(c->closed, disconnect_reason::subsystem_deleted);
    EXPECT_TRUE(w.until([&] { return a.admin->gone && a.queues[0]->gone; }));
    EXPECT_EQ(event.answers, 1u);
    EXPECT_LE(running.answers, 1u);
    EXPECT_EQ(disk->claimed_by(), nullptr);
    EXPECT_TRUE(w.fabric->listening.empty());
    EXPECT_FALSE(admitted(host_a));
    EXPECT_EQ(code(w.run(w.target.delete_subsystem(subsystem_nqn))), ENODEV);
    w.make_subsystem();
    EXPECT_TRUE(admitted(host_a)) << "its name is free again";
}

TEST_F(subsystem_control, deleted_while_a_device_hangs) {
    auto disk = w.make_faulty("disk");
    w.add(s, "disk");
    host h = w.make_host(host_a, 1);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    auto& stuck = h.queues[0]->send(io(io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    EXPECT_TRUE(w.run(w.target.delete_subsystem(subsystem_nqn)));
    EXPECT_TRUE(h.admin->gone);
    EXPECT_FALSE(h.queues[0]->gone);
    w.make_subsystem();
    EXPECT_TRUE(admitted(host_a));
    disk->clear_rules();
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    EXPECT_EQ(stuck.answers, 1u);
    EXPECT_TRUE(w.until([&] { return disk->claimed_by() == nullptr; }));
}

TEST_F(subsystem_control, at_the_end_all_are_closed_at_the_same_time) {
    constexpr unsigned count = 5;
    std::vector<host> hosts;
    for (unsigned i = 0; i < count; ++i) {
        const std::string nqn = subsystem_nqn + std::to_string(i);
        w.make_subsystem(nqn);
        hosts.push_back(w.make_host(host_a, 1, nqn));
    }
    bool ended = false;
    w.at_control([&] { core::detach(w.target.shutdown(), [&] { ended = true; }); });
    EXPECT_TRUE(w.until([&] { return std::ranges::any_of(hosts, [](const host& h) { return h.admin->gone; }); }));
    const auto is_closed = [](const host& h) { return h.admin->closed == disconnect_reason::shutting_down; };
    EXPECT_GT(std::ranges::count_if(hosts, is_closed), 1) << "the first is gone, and nobody has waited for it";
    EXPECT_TRUE(w.until([&] { return ended; }));
    EXPECT_TRUE(w.fabric->listening.empty());
}

TEST_F(subsystem_control, several_hosts_and_controllers_each_with_their_own_queues) {
    w.make_memory("disk");
    w.add(s, "disk");
    std::vector<host> hosts;
    for (int i = 0; i < 10; ++i)
        hosts.push_back(w.make_host(i % 2 ? host_a : host_b, 3));
    EXPECT_EQ(s.controllers().all().size(), 10u);
    for (std::size_t i = 0; i < hosts.size(); ++i)
        for (connection* q : hosts[i].queues)
            EXPECT_EQ(q->call(io(io_opcode::write, 1, i), filled(512, static_cast<unsigned char>(i))).status(),
                      sc::success);
    hosts[3].admin->drop();
    EXPECT_TRUE(w.until([&] { return hosts[3].queues[2]->gone; })) << "I/O queues do not outlive their admin queue";
    EXPECT_EQ(s.controllers().all().size(), 9u);
    EXPECT_FALSE(s.controllers().all().contains(hosts[3].cntlid));
    for (std::size_t i = 0; i < hosts.size(); ++i)
        EXPECT_EQ(hosts[0].queues[0]->call(io(io_opcode::read, 1, i), bytes(512)).data[0], static_cast<std::byte>(i));

    const auto views = s.controllers().all().at(hosts[5].cntlid)->qpairs();
    ASSERT_EQ(views.size(), 4u);
    for (std::uint16_t qid = 0; qid < 4; ++qid) {
        EXPECT_EQ(views[qid].qid, qid);
        EXPECT_EQ(views[qid].phase, qpair::state::enabled);
        EXPECT_EQ(views[qid].listen_address, here);
        EXPECT_EQ(views[qid].peer_address.traddr, "10.0.0.99");
    }
    EXPECT_EQ(views[1].reactor, hosts[5].queues[0]->home.index());
}

TEST_F(subsystem_control, counts_queues_by_core) {
    host h = w.make_host(host_a, 3);
    const auto sum = [&](core::counter core_counters::*member) {
        std::uint64_t n = 0;
        for (std::size_t core = 0; core < 3; ++core)
            n += (w.target.counters().on(core).*member).get();
        return n;
    };
    EXPECT_EQ(sum(&core_counters::current_admin_qpairs), 1u);
    EXPECT_EQ(sum(&core_counters::current_io_qpairs), 3u);
    h.queues[1]->drop();
    EXPECT_TRUE(w.until([&] { return h.queues[1]->gone; }));
    EXPECT_EQ(sum(&core_counters::current_io_qpairs), 2u);
    h.admin->drop();
    EXPECT_TRUE(w.until([&] { return h.admin->gone && h.queues[0]->gone && h.queues[2]->gone; }));
    EXPECT_EQ(sum(&core_counters::current_admin_qpairs), 0u);
    EXPECT_EQ(sum(&core_counters::current_io_qpairs), 0u);
    EXPECT_EQ(sum(&core_counters::admin_qpairs), 1u);
    EXPECT_EQ(sum(&core_counters::io_qpairs), 3u);
}

TEST(target, places_admin_queues_and_io_queues_by_their_own_rules) {
    nvmf_fixture w;
    w.at_control([&] {
        const core::core_lease admin = w.target.assign_core(0);
        const core::core_lease io = w.target.assign_core(7);
        EXPECT_EQ(w.homes.count_on(0, core::lease_kind::admin_queue), 1u);
        EXPECT_EQ(w.homes.count_on(1, core::lease_kind::io_queue), 1u);
        EXPECT_FALSE(w.target.assign_core(8, [](const core::reactor&) { return false; })) << "no core has room";
    });
}

TEST(target, shuts_down_with_everything_in_use) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        nvmf_fixture w(seed);
        auto& s = w.make_subsystem();
        auto disk = w.make_memory("disk");
        w.add(s, "disk");
        host h = w.make_host(host_a, 3);
        host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
        for (connection* q : h.queues)
            for (int i = 0; i < 10; ++i)
                q->send(io(io_opcode::write, 1, static_cast<std::uint64_t>(i)), filled(512, 1));
        h.admin->send(admin(nvme::admin_opcode::async_event_request));
        w.run(w.target.shutdown());
        EXPECT_TRUE(w.fabric->stopped);
        EXPECT_EQ(disk->claimed_by(), nullptr);
        for (connection* c : {h.admin, h.queues[0], h.queues[1], h.queues[2], d.admin})
            EXPECT_EQ(c->closed, disconnect_reason::shutting_down);
        EXPECT_FALSE(w.connect_to(0).call(connect(0), raw(connect_data(nvme::discovery_nqn, host_a))).status().ok());
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
