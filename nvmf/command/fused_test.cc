// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::fuse;
using nvme::io_opcode;

class fused_commands : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::fault_device> disk = w.make_faulty("disk");
    host h;
    connection* q = nullptr;

    void SetUp() override {
        w.add(s, "disk");
        h = w.make_host(host_a, 1);
        q = h.queues[0];
    }
    static nvme::command compare(std::uint64_t slba = 0, std::uint32_t blocks = 1) {
        return fused(io(io_opcode::compare, 1, slba, blocks), fuse::first);
    }
    static nvme::command write(std::uint64_t slba = 0, std::uint32_t blocks = 1) {
        return fused(io(io_opcode::write, 1, slba, blocks), fuse::second);
    }
    capsule& send(const nvme::command& c, unsigned char with = 0) {
        const std::size_t n = nvme::block_command_view{c}.blocks() * 512;
        return q->send(c, filled(n, with));
    }
    void wait(std::initializer_list<capsule*> all) {
        EXPECT_TRUE(
            w.until([&] { return std::all_of(all.begin(), all.end(), [](capsule* c) { return c->answered; }); }));
    }
    std::byte first_byte() { return q->call(io(io_opcode::read, 1), bytes(512)).data[0]; }
};

TEST_F(fused_commands, write_if_equal) {
    auto& c = send(compare(), 0);
    auto& d = send(write(), 7);
    wait({&c, &d});
    EXPECT_EQ(c.status(), sc::success);
    EXPECT_EQ(d.status(), sc::success);
    EXPECT_EQ(first_byte(), std::byte{7});
    EXPECT_EQ(q->order, (std::vector<std::uint16_t>{1, 2, 3, 4})) << "Connect, the halves in their order, Read";
}

TEST_F(fused_commands, do_not_write_if_not_equal) {
    auto& c = send(compare(), 1);
    auto& d = send(write(), 7);
    wait({&c, &d});
    EXPECT_TRUE(c.status().is(sc::compare_failure));
    EXPECT_TRUE(d.status().is(sc::aborted_failed_fused));
    EXPECT_EQ(first_byte(), std::byte{0});
}

TEST_F(fused_commands, run_when_both_have_their_data_in_whatever_order) {
    for (const bool second_first : {false, true}) {
        SCOPED_TRACE(second_first);
        q->hold = true;
        auto& c = send(compare(), second_first ? 7 : 0);
        auto& d = send(write(), 7);
        EXPECT_TRUE(w.until([&] { return c.held && d.held; }));
        q->execute_held(second_first ? d : c);
        w.pass(std::chrono::milliseconds(1));
        EXPECT_FALSE(c.answered || d.answered);
        q->execute_held(second_first ? c : d);
        wait({&c, &d});
        EXPECT_EQ(c.status(), sc::success);
        EXPECT_EQ(d.status(), sc::success);
        q->hold = false;
    }
}

TEST_F(fused_commands, two_pairs_can_wait_for_their_data_at_once) {
    q->hold = true;
    auto& a1 = send(compare(0), 0);
    auto& a2 = send(write(0), 1);
    auto& b1 = send(compare(1), 0);
    auto& b2 = send(write(1), 2);
    EXPECT_TRUE(w.until([&] { return b2.held; }));
    q->execute_held(b2);
    q->execute_held(a2);
    q->execute_held(a1);
    q->execute_held(b1);
    wait({&a1, &a2, &b1, &b2});
    for (capsule* c : {&a1, &a2, &b1, &b2})
        EXPECT_EQ(c->status(), sc::success);
}

struct pair_row {
    const char* sentence;
    nvme::command first, second;
    status first_answer, second_answer;
};

TEST_F(fused_commands, that_do_not_belong_together_fail_together) {
    nvme::command other_namespace = write();
    other_namespace.nsid = 2;
    w.make_memory("second");
    w.add(s, "second", 2);
    const pair_row rows[] = {
        {"another start", compare(0), write(1), sc::aborted_failed_fused, sc::invalid_field},
        {"another length", compare(0, 1), write(0, 2), sc::aborted_failed_fused, sc::invalid_field},
        {"another namespace", compare(), other_namespace, sc::aborted_failed_fused, sc::invalid_field},
        {"a first one that is no Compare", fused(io(io_opcode::read, 1), fuse::first), write(), sc::invalid_field,
         sc::aborted_failed_fused},
        {"a second one that is no Write", compare(), fused(io(io_opcode::read, 1), fuse::second),
         sc::aborted_failed_fused, sc::invalid_field},
        {"both beyond the end", compare(4096), write(4096), sc::lba_out_of_range, sc::aborted_failed_fused},
        {"a first one with no namespace", fused(io(io_opcode::compare, 9), fuse::first), write(),
         sc::invalid_namespace_or_format, sc::aborted_failed_fused},
        {"as long as pairs may be", compare(0, 128), write(0, 128), sc::success, sc::success},
        {"more than half of the longest transfer", compare(0, 129), write(0, 129), sc::atomic_write_unit_exceeded,
         sc::aborted_failed_fused},
    };
    for (const pair_row& row : rows) {
        SCOPED_TRACE(row.sentence);
        auto& c = send(row.first);
        auto& d = send(row.second);
        wait({&c, &d});
        EXPECT_TRUE(c.status().is(row.first_answer)) << nvme::to_string(c.status());
        EXPECT_TRUE(d.status().is(row.second_answer)) << nvme::to_string(d.status());
    }
    EXPECT_EQ(q->call(io(io_opcode::read, 1), bytes(512)).status(), sc::success) << "and nothing stays behind";
}

TEST_F(fused_commands, that_are_longer_than_atomic_are_refused) {
    struct small final : bdev::device {
        using device::device;
        std::string_view product_name() const noexcept override { return "small"; }
        void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
    };
    ASSERT_TRUE(w.devices.add(std::make_shared<small>(
        w.sim.group(), "small",
        bdev::device_geometry{.block_size = 512, .blocks = 100, .atomic_compare_and_write_blocks = 4},
        bdev::device_capabilities{.ops = bdev::null_device::served}, bdev::uuid_of_name("small"))));
    ASSERT_TRUE(w.devices.add(
        std::make_shared<small>(w.sim.group(), "none", bdev::device_geometry{.block_size = 512, .blocks = 100},
                                bdev::device_capabilities{.ops = bdev::ops({bdev::op::compare, bdev::op::write})},
                                bdev::uuid_of_name("none"))));
    w.add(s, "small", 5);
    w.add(s, "none", 6);
    struct {
        std::uint32_t nsid, blocks;
        status first, second;
    } const rows[] = {
        {5, 4, sc::success, sc::success},
        {5, 5, sc::atomic_write_unit_exceeded, sc::aborted_failed_fused},
        {6, 1, sc::invalid_field, sc::aborted_failed_fused},
    };
    for (const auto& row : rows) {
        auto& c = send(fused(io(io_opcode::compare, row.nsid, 0, row.blocks), fuse::first));
        auto& d = send(fused(io(io_opcode::write, row.nsid, 0, row.blocks), fuse::second));
        wait({&c, &d});
        EXPECT_TRUE(c.status().is(row.first));
        EXPECT_TRUE(d.status().is(row.second));
    }
}

TEST_F(fused_commands, without_their_other_half_are_aborted) {
    auto& lone_second = send(write());
    wait({&lone_second});
    EXPECT_TRUE(lone_second.status().is(sc::aborted_missing_fused));

    auto& lone_first = send(compare());
    w.pass(std::chrono::milliseconds(1));
    EXPECT_FALSE(lone_first.answered) << "its second may still come";
    auto& another = send(io(io_opcode::read, 1));
    wait({&lone_first, &another});
    EXPECT_TRUE(lone_first.status().is(sc::aborted_missing_fused));
    EXPECT_EQ(another.status(), sc::success);

    auto& one = send(compare());
    auto& two = send(compare());
    auto& three = send(write(), 1);
    wait({&one, &two, &three});
    EXPECT_TRUE(one.status().is(sc::aborted_missing_fused));
    EXPECT_EQ(two.status(), sc::success);
    EXPECT_EQ(three.status(), sc::success);
}

TEST_F(fused_commands, a_lone_first_one_is_told_when_its_data_is_there) {
    q->hold = true;
    auto& first = send(compare());
    EXPECT_TRUE(w.until([&] { return first.held; }));
    q->hold = false;
    auto& other = send(io(io_opcode::read, 1));
    wait({&other});
    EXPECT_FALSE(first.answered);
    q->execute_held(first);
    wait({&first});
    EXPECT_TRUE(first.status().is(sc::aborted_missing_fused));
}

TEST_F(fused_commands, even_a_refused_command_parts_them) {
    auto& first = send(compare());
    auto& other = send(io(io_opcode::read, 0));
    wait({&first, &other});
    EXPECT_TRUE(first.status().is(sc::aborted_missing_fused));
    EXPECT_TRUE(other.status().is(sc::invalid_namespace_or_format));
    // After a first one that failed, too: this is no second half.
    auto& bad_first = send(compare(4096));
    auto& plain = send(io(io_opcode::read, 1));
    auto& late_second = send(write());
    wait({&bad_first, &plain, &late_second});
    EXPECT_EQ(plain.status(), sc::success);
    EXPECT_TRUE(late_second.status().is(sc::aborted_missing_fused));
}

TEST_F(fused_commands, a_device_that_fails_fails_both) {
    disk->add_rule({.status = sc::internal_error});
    auto& c = send(compare());
    auto& d = send(write());
    wait({&c, &d});
    EXPECT_TRUE(c.status().is(sc::internal_error));
    EXPECT_TRUE(d.status().is(sc::aborted_failed_fused));
}

TEST_F(fused_commands, of_a_namespace_that_goes_meanwhile_fail) {
    q->hold = true;
    auto& c = send(compare());
    auto& d = send(write());
    EXPECT_TRUE(w.until([&] { return d.held; }));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    q->execute_held(c);
    q->execute_held(d);
    wait({&c, &d});
    EXPECT_TRUE(c.status().is(sc::invalid_namespace_or_format));
    EXPECT_TRUE(d.status().is(sc::aborted_failed_fused));
}

/// Both halves may share a buffer that the first one has measured.
TEST_F(fused_commands, of_another_namespace_with_the_same_nsid_are_no_pair) {
    auto large = bdev::memory_device::create(w.sim.group()[0], "large", {.block_size = 4096, .blocks = 256},
                                             bdev::uuid_of_name("large"));
    ASSERT_TRUE(large && w.devices.add(*large));
    q->hold = true;
    auto& c = send(compare(0, 8));
    EXPECT_TRUE(w.until([&] { return c.held; }));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    EXPECT_EQ(w.add(s, "large", 1), 1u);
    auto& d = q->send(write(0, 8), filled(8 * 4096, 7));
    EXPECT_TRUE(w.until([&] { return d.answered; }));
    EXPECT_TRUE(d.refused) << "before any data moves";
    EXPECT_TRUE(d.status().is(sc::invalid_field));
    q->execute_held(c);
    wait({&c});
    EXPECT_FALSE(c.status().ok());
}

TEST_F(fused_commands, come_back_when_the_connection_goes) {
    struct {
        bool with_second, abandons;
        status answer;
    } const rows[] = {
        {false, true, sc::aborted_sq_deletion},
        {true, true, sc::aborted_failed_fused},
        {true, false, sc::aborted_sq_deletion},
    };
    for (const auto& row : rows) {
        host g = w.make_host(host_b, 1);
        q = g.queues[0];
        q->hold = row.with_second;
        q->abandons = row.abandons;
        auto& c = send(compare());
        if (row.with_second) {
            auto& d = send(write());
            EXPECT_TRUE(w.until([&] { return d.held; }));
            q->execute_held(c);
        }
        w.pass(std::chrono::milliseconds(1));
        EXPECT_FALSE(c.answered);
        q->drop();
        EXPECT_TRUE(w.until([&] { return q->gone; }));
        EXPECT_EQ(c.answers, 1u);
        EXPECT_TRUE(c.status().is(row.answer)) << nvme::to_string(c.status());
    }
}

TEST_F(fused_commands, take_their_other_half_along_when_their_data_is_wrong) {
    // The transport finds that an SGL is too short, and answers itself.
    for (const bool waits : {false, true}) {
        SCOPED_TRACE(waits ? "the first half has been executed" : "the first half waits for its data");
        q->hold = !waits;
        auto& first = send(compare());
        q->hold = false;
        auto& second = q->send(write(), filled(100, 1));
        wait({&second});
        q->execute_held(first);
        wait({&first});
        EXPECT_TRUE(second.status().is(sc::data_sgl_length_invalid));
        EXPECT_TRUE(first.status().is(sc::aborted_failed_fused));
    }
    auto& first = q->send(compare(), filled(100, 0));
    auto& second = send(write());
    wait({&first, &second});
    EXPECT_TRUE(first.status().is(sc::data_sgl_length_invalid));
    EXPECT_TRUE(second.status().is(sc::aborted_failed_fused));
    // Nothing stays behind: Abort reaches the transport again.
    q->hold = true;
    auto& plain = send(io(io_opcode::write, 1));
    EXPECT_TRUE(w.until([&] { return plain.held; }));
    EXPECT_EQ(h.admin->call(abort(1, plain.command.cid)).dw0(), 0u);
}

TEST_F(fused_commands, are_atomic_between_hosts) {
    // Eight hosts count up in one block, each with Compare and Write from what it has read.
    std::vector<host> hosts;
    for (int i = 0; i < 8; ++i)
        hosts.push_back(w.make_host(host_a, 1));
    unsigned succeeded = 0;
    for (int round = 0; round < 20; ++round) {
        const unsigned char now = std::to_integer<unsigned char>(first_byte());
        std::vector<capsule*> halves;
        for (host& each : hosts) {
            halves.push_back(&each.queues[0]->send(compare(), filled(512, now)));
            halves.push_back(&each.queues[0]->send(write(), filled(512, static_cast<unsigned char>(now + 1))));
        }
        EXPECT_TRUE(
            w.until([&] { return std::all_of(halves.begin(), halves.end(), [](auto* c) { return c->answered; }); }));
        for (std::size_t i = 1; i < halves.size(); i += 2)
            succeeded += halves[i]->status().ok();
    }
    EXPECT_EQ(succeeded, 20u);
    EXPECT_EQ(first_byte(), std::byte{20});
}

}  // namespace
}  // namespace causeway::nvmf::test
