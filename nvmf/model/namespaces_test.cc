// SPDX-License-Identifier: Apache-2.0
#include "bdev/null_device.h"
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;
using nvme::io_opcode;

class namespaces : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();

    int code(namespace_params p) {
        const auto added = w.run(s.namespaces().add(std::move(p)));
        return added ? 0 : added.error().code;
    }
    static capsule& read(host& h, std::uint32_t nsid) {
        return h.queues[0]->call(io(io_opcode::read, nsid), bytes(512));
    }
};

TEST_F(namespaces, get_the_lowest_free_nsid_or_the_one_asked_for) {
    for (const char* name : {"a", "b", "c", "d"})
        w.make_memory(name);
    EXPECT_EQ(w.add(s, "a"), 1u);
    EXPECT_EQ(w.add(s, "b", 3), 3u);
    EXPECT_EQ(w.add(s, "c"), 2u);
    EXPECT_EQ(w.add(s, "d"), 4u);
    EXPECT_TRUE(w.run(s.namespaces().remove(2)));
    EXPECT_EQ(w.add(s, "c"), 2u);
}

TEST_F(namespaces, are_refused_for_a_reason) {
    w.make_memory("a");
    w.make_memory("b");
    auto& other = w.make_subsystem("nqn.2024-01.io.example:other");
    w.make_memory("taken");
    w.add(other, "taken");
    w.add(s, "a", 1);
    EXPECT_EQ(code({.bdev_name = "nothing"}), ENODEV);
    EXPECT_EQ(code({.bdev_name = "a"}), EBUSY);
    EXPECT_EQ(code({.bdev_name = "taken"}), EBUSY);
    EXPECT_EQ(code({.bdev_name = "b", .nsid = 1}), EEXIST);
    EXPECT_EQ(code({.bdev_name = "b", .nsid = 33}), EINVAL);
    EXPECT_EQ(code({.bdev_name = "b", .nsid = ~0u}), EINVAL);
    EXPECT_EQ(code({.bdev_name = "b", .uuid = bdev::uuid_of_name("a")}), EEXIST);
    EXPECT_EQ(code({.bdev_name = "b", .nguid = bdev::uuid_of_name("a")}), EEXIST);
    EXPECT_EQ(code({.bdev_name = "b", .uuid = bdev::uuid_of_name("taken")}), EEXIST) << "another subsystem's";
    EXPECT_EQ(code({.bdev_name = "b", .nguid = bdev::uuid_of_name("taken")}), EEXIST);
    EXPECT_EQ(code({.bdev_name = "b", .uuid = bdev::uuid()}), EINVAL) << "zeroes are no identifier";
    EXPECT_EQ(code({.bdev_name = "b", .nguid = nguid()}), EINVAL);
    EXPECT_EQ(code({.bdev_name = "b", .eui64 = eui64()}), EINVAL);
    EXPECT_EQ(w.devices.find("b")->claimed_by(), nullptr) << "a refusal leaves no claim";
    EXPECT_FALSE(w.run(s.namespaces().remove(7)));
    const auto on_discovery = w.run(w.target.discovery().namespaces().add({.bdev_name = "b"}));
    EXPECT_EQ(on_discovery.error().code, EINVAL);
    EXPECT_EQ(code({.bdev_name = "b", .eui64 = eui64{1}}), 0);
    w.make_memory("c");
    namespace_params same{.bdev_name = "c"};
    same.eui64 = eui64{1};
    EXPECT_EQ(w.run(other.namespaces().add(same)).error().code, EEXIST);
}

TEST_F(namespaces, have_blocks_that_a_command_over_every_transport_can_carry) {
    bdev::registry devices(w.sim.group());
    w.at_control([&] {
        for (bdev::registry* each : {&w.devices, &devices})
            EXPECT_TRUE(each->add(std::make_shared<bdev::null_device>(
                w.sim.group(), "large", bdev::device_geometry{.block_size = 16384, .blocks = 100},
                bdev::uuid_of_name("large"))));
    });
    w.fabric->options_.max_io_size = 8192;
    EXPECT_EQ(code({.bdev_name = "large"}), EINVAL);
    EXPECT_EQ(w.devices.find("large")->claimed_by(), nullptr);

    target other(w.homes, devices);
    const auto made = w.run(other.create_subsystem({.nqn = subsystem_nqn}));
    ASSERT_TRUE(made);
    EXPECT_TRUE(w.run((*made)->namespaces().add({.bdev_name = "large"})));
    const auto add = [&](std::uint32_t max_io_size) {
        auto fabric = std::make_unique<fake_transport>();
        fabric->options_.max_io_size = max_io_size;
        const auto added = other.add_transport(std::move(fabric));
        return added ? 0 : added.error().code;
    };
    EXPECT_EQ(add(8192), EINVAL);
    EXPECT_EQ(add(16384), 0);
    EXPECT_TRUE(w.run(other.delete_subsystem(subsystem_nqn)));
    w.fabric->options_.max_io_size = 16384;
    EXPECT_EQ(code({.bdev_name = "large"}), 0);
}

TEST_F(namespaces, are_no_more_than_max_namespaces) {
    for (int i = 0; i < 33; ++i)
        w.make_memory("d" + std::to_string(i), 8);
    for (int i = 0; i < 32; ++i)
        w.add(s, "d" + std::to_string(i));
    EXPECT_EQ(code({.bdev_name = "d32"}), ENOSPC);
}

TEST_F(namespaces, of_one_kind_asked_for_twice_at_once_are_one) {
    w.make_memory("a");
    std::vector<core::result<std::uint32_t>> results;
    w.at_control([&] {
        for (int i = 0; i < 2; ++i)
            core::detach(s.namespaces().add({.bdev_name = "a"}), [&](auto r) { results.push_back(std::move(r)); });
    });
    EXPECT_TRUE(w.until([&] { return results.size() == 2; }));
    EXPECT_EQ(results[0].has_value() + results[1].has_value(), 1);
    EXPECT_EQ(s.namespaces().all().size(), 1u);
}

TEST_F(namespaces, that_go_are_gone_for_new_io_and_finish_the_old) {
    auto disk = w.make_faulty("disk");
    w.make_memory("other");
    w.add(s, "disk", 1);
    w.add(s, "other", 2);
    host h = w.make_host(host_a, 3);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    auto& old = h.queues[0]->send(io(io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));

    bool removed = false;
    w.at_control([&] {
        core::detach(s.namespaces().remove(1), [&](auto r) { removed = r.has_value(); });
        EXPECT_FALSE(s.namespaces().all().contains(1)) << "at once, for whoever asks";
    });
    w.pass(10ms);
    EXPECT_FALSE(removed);
    EXPECT_NE(disk->claimed_by(), nullptr) << "while its I/O runs the device is ours";
    EXPECT_TRUE(read(h, 1).status().is(sc::invalid_namespace_or_format));
    EXPECT_EQ(read(h, 2).status(), sc::success) << "the others do not notice";
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 1)).data, filled(4096, 0));
    EXPECT_FALSE(old.answered);

    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return old.answered && removed; }));
    EXPECT_EQ(old.status(), sc::success);
    EXPECT_EQ(disk->claimed_by(), nullptr);
}

TEST_F(namespaces, on_a_device_that_hangs_hold_up_nobody) {
    auto disk = w.make_faulty("disk");
    w.make_memory("other");
    w.add(s, "disk", 1);
    host h = w.make_host(host_a, 1);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    auto& stuck = h.queues[0]->send(io(io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    const auto before = w.sim.time().now();
    EXPECT_TRUE(w.run(s.namespaces().remove(1))) << "answered, though the device is not free yet";
    EXPECT_LT(w.sim.time().now() - before, 2'000'000'000u);
    EXPECT_EQ(w.add(s, "other", 1), 1u) << "another takes its place";
    EXPECT_EQ(read(h, 1).status(), sc::success);
    EXPECT_FALSE(stuck.answered);
    EXPECT_EQ(code({.bdev_name = "disk", .nsid = 2}), EBUSY);
    disk->clear_rules();
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return disk->claimed_by() == nullptr; }));
    EXPECT_TRUE(stuck.answered);
    EXPECT_EQ(w.add(s, "disk", 2), 2u);
}

TEST_F(namespaces, a_command_that_waited_for_a_buffer_does_not_land_on_another_disk) {
    w.make_memory("first");
    w.make_memory("second");
    w.add(s, "first", 1);
    host h = w.make_host(host_a, 1);
    h.queues[0]->hold = true;
    auto& write = h.queues[0]->send(io(io_opcode::write, 1), filled(512, 1));
    nvme::command dsm = command(0x09, 1);
    dsm.cdw11 = 4;
    auto& deallocate = h.queues[0]->send(dsm, raw(nvme::dsm_range{.nlb = 1, .slba = 0}));
    EXPECT_TRUE(w.until([&] { return write.held && deallocate.held; }));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    w.add(s, "second", 1);
    h.queues[0]->execute_held(write);
    h.queues[0]->execute_held(deallocate);
    EXPECT_TRUE(w.until([&] { return write.answered && deallocate.answered; }));
    EXPECT_TRUE(write.status().is(sc::invalid_namespace_or_format));
    EXPECT_TRUE(deallocate.status().is(sc::invalid_namespace_or_format));
    h.queues[0]->hold = false;
    EXPECT_EQ(read(h, 1).data, filled(512, 0));
}

TEST_F(namespaces, follow_their_device_as_it_grows_and_shrinks) {
    auto disk = w.make_memory("disk");
    w.add(s, "disk");
    host h = w.make_host(host_a, 1);
    const auto last_block = [&](std::uint64_t slba) {
        return h.queues[0]->call(io(io_opcode::read, 1, slba), bytes(512)).status();
    };
    EXPECT_EQ(last_block(2047), sc::success);
    w.at_control([&] { disk->set_blocks(1000); });
    EXPECT_TRUE(last_block(1000).is(sc::lba_out_of_range));
    EXPECT_EQ(last_block(999), sc::success);
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().nsze, 1000u);
    w.at_control([&] { disk->set_blocks(2048); });
    EXPECT_EQ(last_block(2047), sc::success);
    w.at_control([&] { disk->set_blocks(0); });
    EXPECT_TRUE(last_block(0).is(sc::lba_out_of_range));
}

TEST_F(namespaces, go_with_their_device) {
    w.make_memory("disk");
    w.add(s, "disk");
    host h = w.make_host(host_a, 1);
    EXPECT_TRUE(w.run(w.devices.remove("disk")));
    EXPECT_TRUE(s.namespaces().all().empty());
    EXPECT_TRUE(read(h, 1).status().is(sc::invalid_namespace_or_format));
}

TEST_F(namespaces, that_are_added_while_their_device_goes_leave_nothing_behind) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        nvmf_fixture v(seed);
        auto& t = v.make_subsystem();
        auto disk = v.make_memory("disk");
        bool added = false, removed = false;
        v.at_control([&] { core::detach(t.namespaces().add({.bdev_name = "disk"}), [&](auto) { added = true; }); });
        v.pass(std::chrono::nanoseconds(seed * 100));
        v.at_control([&] { core::detach(v.devices.remove("disk"), [&](auto) { removed = true; }); });
        EXPECT_TRUE(v.until([&] { return added && removed; }));
        EXPECT_TRUE(t.namespaces().all().empty());
        EXPECT_EQ(disk->claimed_by(), nullptr);
    }
}

TEST_F(namespaces, come_and_go_under_load) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        nvmf_fixture v(seed);
        auto& t = v.make_subsystem();
        std::vector<std::shared_ptr<bdev::memory_device>> disks;
        for (int i = 0; i < 3; ++i)
            disks.push_back(v.make_memory("d" + std::to_string(i)));
        std::vector<host> hosts;
        for (int i = 0; i < 2; ++i)
            hosts.push_back(v.make_host(host_a, 2));
        unsigned sent = 0, answered = 0;
        for (int round = 0; round < 40; ++round) {
            for (host& h : hosts)
                for (connection* q : h.queues)
                    for (std::uint32_t nsid = 1; nsid <= 3; ++nsid, ++sent)
                        q->send(io(nsid % 2 ? io_opcode::read : io_opcode::write, nsid, round), bytes(512));
            const auto pick = static_cast<std::uint32_t>(v.sim.random().below(3)) + 1;
            v.at_control([&] {
                if (t.namespaces().all().contains(pick))
                    core::detach(t.namespaces().remove(pick), [](auto) {});
                else
                    core::detach(t.namespaces().add({.bdev_name = "d" + std::to_string(pick - 1), .nsid = pick}),
                                 [](auto) {});
            });
        }
        EXPECT_TRUE(v.until([&] {
            answered = 0;
            for (host& h : hosts)
                for (connection* q : h.queues)
                    for (auto& c : q->capsules)
                        answered += c->answered;
            return answered == sent + 4;  // and the Connects
        }));
        for (host& h : hosts)
            for (connection* q : h.queues)
                for (auto& c : q->capsules)
                    EXPECT_TRUE(c->status().ok() || c->status().is(sc::invalid_namespace_or_format))
                        << nvme::to_string(c->status());
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
