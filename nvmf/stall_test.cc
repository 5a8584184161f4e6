// SPDX-License-Identifier: Apache-2.0
// What was received before a core stalled, and what comes after.

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::fuse;
using nvme::io_opcode;
using namespace std::chrono_literals;

class stalled_core : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::memory_device> disk = w.make_memory("disk");
    host h;
    connection* q = nullptr;

    void SetUp() override {
        w.add(s, "disk");
        h = w.make_host(host_a, 1);
        q = h.queues[0];
        q->call(io(io_opcode::write, 1), filled(512, 1));
    }
    /// A command that has been received, and its data, when the core stalls.
    capsule& caught(const nvme::command& c, bytes data) {
        q->hold = true;
        capsule& sent = q->send(c, std::move(data));
        EXPECT_TRUE(w.until([&] { return sent.held || sent.answered; }));
        q->hold = false;
        q->home.record_stall(12s);
        return sent;
    }
    void run(capsule& c) {
        q->execute_held(c);
        EXPECT_TRUE(w.until([&] { return c.answered; }));
    }
    /// As a transport says it when it has read everything that came before.
    void read_to_the_end() { q->qpair->stall_epoch = q->home.stalls(); }
    std::byte first_byte() { return q->call(io(io_opcode::read, 1), bytes(512)).data[0]; }
    core_counters& counters() { return w.target.counters().on(q->home.index()); }
};

bytes one_range() {
    return raw(nvme::dsm_range{.nlb = 1, .slba = 0});
}

bytes one_source() {
    nvme::copy_range from{};
    from.slba = 100;
    return raw(from);
}

TEST_F(stalled_core, runs_no_change_of_content_that_it_received_before) {
    nvme::command deallocate = io(io_opcode::dataset_management, 1);
    deallocate.cdw10 = 0;
    deallocate.cdw11 = 4;
    struct {
        const char* sentence;
        nvme::command command;
        bytes data;
    } const rows[] = {
        {"a write", io(io_opcode::write, 1), filled(512, 9)},
        {"a Write Zeroes", io(io_opcode::write_zeroes, 1), {}},
        {"a deallocation", deallocate, one_range()},
        {"a Copy", io(io_opcode::copy, 1), one_source()},
    };
    std::uint64_t stale = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        capsule& c = caught(row.command, row.data);
        run(c);
        EXPECT_TRUE(c.status().is(sc::command_interrupted)) << nvme::to_string(c.status());
        EXPECT_FALSE(c.status().dnr()) << "its host, if it is still there, sends it again";
        EXPECT_EQ(counters().stale_commands.get(), ++stale);
        EXPECT_EQ(first_byte(), std::byte{1});

        read_to_the_end();
        EXPECT_EQ(q->call(row.command, row.data).status(), sc::success);
        EXPECT_EQ(q->call(io(io_opcode::write, 1), filled(512, 1)).status(), sc::success);
    }
}

TEST_F(stalled_core, runs_no_compare_and_write_that_it_received_before) {
    q->hold = true;
    capsule& compare = q->send(fused(io(io_opcode::compare, 1), fuse::first), filled(512, 1));
    capsule& write = q->send(fused(io(io_opcode::write, 1), fuse::second), filled(512, 9));
    ASSERT_TRUE(w.until([&] { return compare.held && write.held; }));
    q->hold = false;
    q->home.record_stall(12s);
    q->execute_held(compare);
    q->execute_held(write);
    ASSERT_TRUE(w.until([&] { return compare.answered && write.answered; }));
    EXPECT_TRUE(compare.status().is(sc::command_interrupted));
    EXPECT_TRUE(write.status().is(sc::aborted_failed_fused));
    EXPECT_FALSE(compare.status().dnr());
    EXPECT_EQ(first_byte(), std::byte{1});
}

TEST_F(stalled_core, runs_what_changes_nothing) {
    for (const io_opcode op : {io_opcode::read, io_opcode::compare, io_opcode::flush}) {
        capsule& c = caught(io(op, 1), op == io_opcode::flush ? bytes() : filled(512, 1));
        if (!c.answered)
            run(c);
        EXPECT_EQ(c.status(), sc::success);
    }
    EXPECT_EQ(counters().stale_commands.get(), 0u);
}

TEST_F(stalled_core, goes_on_refusing_until_the_connection_has_been_read_to_its_end) {
    q->home.record_stall(12s);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(q->call(io(io_opcode::write, 1), filled(512, 9)).status().is(sc::command_interrupted));
    read_to_the_end();
    EXPECT_EQ(q->call(io(io_opcode::write, 1), filled(512, 9)).status(), sc::success);
    EXPECT_EQ(first_byte(), std::byte{9});
}

/// A deallocation of three ranges, the first of which the disk is at.
class deallocation_under_way : public stalled_core {
  protected:
    std::shared_ptr<bdev::fault_device> slow = w.make_faulty("slow");
    capsule* sent = nullptr;

    void SetUp() override {
        stalled_core::SetUp();
        w.add(s, "slow", 2);
        EXPECT_EQ(q->call(io(io_opcode::write, 2, 0, 3), filled(3 * 512, 1)).status(), sc::success);
        slow->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
        nvme::command deallocate = io(io_opcode::dataset_management, 2);
        deallocate.cdw10 = 2;
        deallocate.cdw11 = 4;
        bytes ranges;
        for (std::uint64_t block = 0; block < 3; ++block)
            std::ranges::copy(raw(nvme::dsm_range{.nlb = 1, .slba = block}), std::back_inserter(ranges));
        sent = &q->send(deallocate, ranges);
        EXPECT_TRUE(w.until([&] { return slow->hung() == 1; }));
    }
    void let_the_disk_go_on() {
        w.run(slow->release_hung());
        EXPECT_TRUE(w.until([&] { return slow->in_flight() == 0; }));
    }
    bytes content(connection& by) { return by.call(io(io_opcode::read, 2, 0, 3), bytes(3 * 512)).data; }
    static bytes first_of_three_deallocated() {
        bytes b = filled(3 * 512, 1);
        std::fill_n(b.begin(), 512, std::byte{});
        return b;
    }
};

TEST_F(deallocation_under_way, goes_on_to_no_other_range_after_a_stall) {
    q->home.record_stall(12s);
    let_the_disk_go_on();
    ASSERT_TRUE(w.until([&] { return sent->answered; }));
    EXPECT_TRUE(sent->status().is(sc::command_interrupted)) << nvme::to_string(sent->status());
    EXPECT_FALSE(sent->status().dnr());
    EXPECT_EQ(counters().stale_commands.get(), 1u);
    EXPECT_EQ(content(*q), first_of_three_deallocated());
}

TEST_F(deallocation_under_way, goes_on_to_no_other_range_when_its_host_has_gone) {
    q->drop();
    w.pass(1ms);
    let_the_disk_go_on();
    ASSERT_TRUE(w.until([&] { return q->gone; }));
    EXPECT_EQ(content(*w.make_host(host_b, 1).queues[0]), first_of_three_deallocated());
}

}  // namespace
}  // namespace causeway::nvmf::test
