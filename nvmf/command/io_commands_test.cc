// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;

class io_commands : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::memory_device> disk = w.make_memory("disk");  // 2048 blocks of 512 bytes
    host h;

    void SetUp() override {
        w.add(s, "disk");
        h = w.make_host(host_a, 3);
    }
    capsule& call(const nvme::command& c, bytes data = {}) { return h.queues[0]->call(c, std::move(data)); }
    bytes read(std::uint64_t slba, std::uint32_t blocks) {
        capsule& c = call(io(io_opcode::read, 1, slba, blocks), bytes(blocks * 512));
        EXPECT_EQ(c.status(), sc::success);
        return c.data;
    }
    core_counters& counters() { return w.target.counters().on(h.queues[0]->home.index()); }
};

TEST_F(io_commands, ranges_are_checked_to_the_block) {
    struct {
        const char* sentence;
        std::uint64_t slba;
        std::uint32_t blocks;
        status answer;
    } const rows[] = {
        {"the first block", 0, 1, sc::success},
        {"the last block", 2047, 1, sc::success},
        {"the one behind it", 2048, 1, sc::lba_out_of_range},
        {"one block too many", 2047, 2, sc::lba_out_of_range},
        {"as much as MDTS allows", 0, 256, sc::success},
        {"a block more than that", 0, 257, sc::invalid_field},
        {"a range whose end wraps around", 0xffffffffffffffff, 1, sc::lba_out_of_range},
        {"and another", 0xffffffffffffff01, 256, sc::lba_out_of_range},
    };
    for (const io_opcode op : {io_opcode::read, io_opcode::write, io_opcode::compare}) {
        for (const auto& row : rows) {
            SCOPED_TRACE(row.sentence);
            const capsule& c = call(io(op, 1, row.slba, row.blocks), bytes(row.blocks * 512));
            EXPECT_TRUE(c.status().is(row.answer)) << nvme::to_string(c.status());
            EXPECT_EQ(c.refused, !row.answer.ok()) << "before any data moves";
            EXPECT_EQ(c.status().dnr(), !row.answer.ok());
        }
    }
}

TEST_F(io_commands, fields_out_of_range_are_refused_before_data_moves) {
    struct {
        const char* sentence;
        io_opcode opcode;
        std::function<void(nvme::command&)> spoil;
        status answer;
        std::uint16_t location;
    } const rows[] = {
        {"PRPs do not exist over fabrics", io_opcode::read, [](auto& c) { c.flags = 0; }, sc::invalid_field,
         6 << 8 | 1},
        {"nor does an SGL of metadata", io_opcode::read, [](auto& c) { c.flags = 2 << 6; }, sc::invalid_field,
         6 << 8 | 1},
        {"nor what is reserved", io_opcode::read, [](auto& c) { c.flags = 3 << 6; }, sc::invalid_field, 6 << 8 | 1},
        {"FUSE has three values", io_opcode::read, [](auto& c) { c.flags |= 3; }, sc::invalid_field, 1},
        {"no namespace", io_opcode::read, [](auto& c) { c.nsid = 0; }, sc::invalid_namespace_or_format, 4},
        {"a free nsid", io_opcode::read, [](auto& c) { c.nsid = 2; }, sc::invalid_namespace_or_format, 4},
        {"one beyond NN", io_opcode::write, [](auto& c) { c.nsid = 33; }, sc::invalid_namespace_or_format, 4},
        {"all namespaces at once", io_opcode::read, [](auto& c) { c.nsid = ~0u; }, sc::invalid_namespace_or_format, 4},
        {"all of them zeroed", io_opcode::write_zeroes, [](auto& c) { c.nsid = ~0u; }, sc::invalid_namespace_or_format,
         4},
        {"no namespace to flush", io_opcode::flush, [](auto& c) { c.nsid = 0; }, sc::invalid_namespace_or_format, 4},
        {"one that is not there", io_opcode::flush, [](auto& c) { c.nsid = 9; }, sc::invalid_namespace_or_format, 4},
        {"streams do not exist", io_opcode::write, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 20; }, sc::invalid_field,
         4 << 8 | 50},
        {"nor does a command of this number", io_opcode{0x04}, [](auto&) {}, sc::invalid_opcode, 0},
    };
    std::uint64_t refused = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        nvme::command c = io(row.opcode, 1);
        row.spoil(c);
        const capsule& answer = call(c, bytes(512));
        EXPECT_TRUE(answer.status().is(row.answer)) << nvme::to_string(answer.status());
        EXPECT_TRUE(answer.refused);
        EXPECT_TRUE(answer.status().dnr());
        EXPECT_EQ(counters().refused_commands.get(), ++refused);
        const auto e =
            h.admin->call(get_log_page(nvme::lid::error_information, 64)).page<nvme::error_information_entry>();
        EXPECT_EQ(e.parameter_error_location, row.location);
        EXPECT_EQ(e.cid, answer.command.cid);
    }
}

TEST_F(io_commands, what_is_reserved_or_a_hint_is_ignored) {
    nvme::command c = io(io_opcode::write, 1);
    c.flags = c.flags | 0x3c;  // reserved
    c.cdw2 = ~0u;              // reserved
    c.cdw3 = ~0u;
    c.cdw12 = c.cdw12 | 0xbf000000u;  // FUA is bit 30; protection bits mean nothing without metadata
    c.cdw13 = 0xff;                   // DSM hints
    c.cdw14 = ~0u;
    c.cdw15 = ~0u;
    EXPECT_EQ(call(c, filled(512, 1)).status(), sc::success);
}

TEST_F(io_commands, an_admin_command_has_no_fuse_and_no_prp) {
    nvme::command c = identify(nvme::cns::controller);
    c.flags = 0;
    EXPECT_TRUE(h.admin->call(c).status().is(sc::invalid_field));
    c.flags = 0x41;
    EXPECT_TRUE(h.admin->call(c).status().is(sc::invalid_field));
    c.flags = 0x40;
    EXPECT_EQ(h.admin->call(c).status(), sc::success);
}

TEST_F(io_commands, write_then_read_from_another_queue) {
    EXPECT_EQ(call(io(io_opcode::write, 1, 100, 3), filled(3 * 512, 9)).status(), sc::success);
    capsule& c = h.queues[2]->call(io(io_opcode::read, 1, 99, 5), bytes(5 * 512));
    EXPECT_EQ(bytes(c.data.begin(), c.data.begin() + 512), filled(512, 0));
    EXPECT_EQ(bytes(c.data.begin() + 512, c.data.end() - 512), filled(3 * 512, 9));
    EXPECT_EQ(bytes(c.data.end() - 512, c.data.end()), filled(512, 0));
}

TEST_F(io_commands, compare) {
    call(io(io_opcode::write, 1, 5, 1), filled(512, 3));
    EXPECT_EQ(call(io(io_opcode::compare, 1, 5, 1), filled(512, 3)).status(), sc::success);
    bytes other = filled(512, 3);
    other[511] = std::byte{4};
    EXPECT_TRUE(call(io(io_opcode::compare, 1, 5, 1), other).status().is(sc::compare_failure));
}

TEST_F(io_commands, write_zeroes) {
    call(io(io_opcode::write, 1, 0, 4), filled(2048, 8));
    EXPECT_EQ(call(io(io_opcode::write_zeroes, 1, 1, 2)).status(), sc::success);
    nvme::command deallocate = io(io_opcode::write_zeroes, 1, 3, 1);
    deallocate.cdw12 = deallocate.cdw12 | nvme::write_zeroes_deac;
    EXPECT_EQ(call(deallocate).status(), sc::success);
    const bytes data = read(0, 4);
    EXPECT_EQ(bytes(data.begin(), data.begin() + 512), filled(512, 8));
    EXPECT_EQ(bytes(data.begin() + 512, data.end()), filled(1536, 0));
    EXPECT_EQ(call(io(io_opcode::write_zeroes, 1, 0, 2048)).status(), sc::success) << "MDTS is not its limit";
    EXPECT_TRUE(call(io(io_opcode::write_zeroes, 1, 1, 2048)).status().is(sc::lba_out_of_range));
}

TEST_F(io_commands, write_zeroes_has_a_limit_of_its_own) {
    subsystem_options o;
    o.nqn = "nqn.2024-01.io.example:limited";
    o.allow_any_host = true;
    o.wzsl = 1;  // 8 KiB: 16 blocks
    o.dmrsl = 20;
    auto& limited = **w.run(w.target.create_subsystem(o));
    ASSERT_TRUE(w.run(limited.listeners().add(here)));
    w.make_memory("other");
    w.add(limited, "other");
    host g = w.make_host(host_a, 1, o.nqn);
    EXPECT_EQ(g.queues[0]->call(io(io_opcode::write_zeroes, 1, 0, 16)).status(), sc::success);
    EXPECT_TRUE(g.queues[0]->call(io(io_opcode::write_zeroes, 1, 0, 17)).status().is(sc::invalid_field));
    nvme::command deallocate = command(0x09, 1);
    deallocate.cdw11 = 4;
    EXPECT_EQ(g.queues[0]->call(deallocate, raw(nvme::dsm_range{.nlb = 20, .slba = 0})).status(), sc::success);
    EXPECT_TRUE(g.queues[0]
                    ->call(deallocate, raw(nvme::dsm_range{.nlb = 21, .slba = 0}))
                    .status()
                    .is(sc::command_size_limit_exceeded));
}

TEST_F(io_commands, verify_moves_no_data_and_hears_of_the_device_alone) {
    auto disk = w.make_faulty("other");
    w.add(s, "other", 2);
    nvme::command c = io(io_opcode::verify, 2, 40, 2008);
    EXPECT_EQ(call(c).status(), sc::success) << "MDTS is not its limit";
    EXPECT_EQ(h.queues[0]->capsules.back()->transfer, transfer::none);
    EXPECT_TRUE(call(io(io_opcode::verify, 2, 41, 2008)).status().is(sc::lba_out_of_range));
    EXPECT_TRUE(call(io(io_opcode::verify, 2, 2048, 1)).refused);
    EXPECT_TRUE(call(io(io_opcode::verify, ~0u, 0, 1)).status().is(sc::invalid_namespace_or_format));

    const auto log = h.admin->call(get_log_page(nvme::lid::smart, 512)).page<nvme::smart_log>();
    EXPECT_EQ(log.host_read_commands.low, 1u);
    EXPECT_EQ(log.data_units_read.low, 3u) << "2008 blocks of 512 bytes have been read";

    disk->add_rule({.ops = bdev::ops({bdev::op::verify}), .status = sc::unrecovered_read.with_dnr()});
    EXPECT_TRUE(call(c).status().is(sc::unrecovered_read));
}

/// Keeps what the target asks of it.
struct noting_device final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "noting"; }
    void submit(bdev::io& i) noexcept override {
        last = i.operation;
        force_unit_access = i.force_unit_access;
        deallocate = i.deallocate;
        with_data = !i.data.empty();
        i.complete(sc::success);
    }
    bdev::op last{};
    bool force_unit_access = false, deallocate = false, with_data = false;
};

TEST_F(io_commands, verify_of_what_is_on_the_medium_says_so) {
    auto noting = std::make_shared<noting_device>(
        w.sim.group(), "noting", bdev::device_geometry{.block_size = 512, .blocks = 100},
        bdev::device_capabilities{.ops = bdev::ops({bdev::op::verify})}, bdev::uuid_of_name("noting"));
    ASSERT_TRUE(w.devices.add(noting));
    w.add(s, "noting", 2);
    for (const bool fua : {false, true}) {
        nvme::command c = io(io_opcode::verify, 2, 3, 4);
        c.cdw12 = c.cdw12 | (fua ? nvme::rw_fua : 0);
        EXPECT_EQ(call(c).status(), sc::success);
        EXPECT_EQ(noting->last, bdev::op::verify);
        EXPECT_EQ(noting->force_unit_access, fua);
        EXPECT_FALSE(noting->with_data);
    }
}

TEST_F(io_commands, whether_zeroes_may_be_deallocated_goes_to_the_device) {
    auto noting = std::make_shared<noting_device>(
        w.sim.group(), "noting", bdev::device_geometry{.block_size = 512, .blocks = 100},
        bdev::device_capabilities{.ops = bdev::ops({bdev::op::write_zeroes})}, bdev::uuid_of_name("noting"));
    ASSERT_TRUE(w.devices.add(noting));
    w.add(s, "noting", 2);
    for (const bool deac : {true, false}) {
        nvme::command c = io(io_opcode::write_zeroes, 2, 3, 4);
        c.cdw12 = c.cdw12 | (deac ? nvme::write_zeroes_deac : 0);
        EXPECT_EQ(call(c).status(), sc::success);
        EXPECT_EQ(noting->last, bdev::op::write_zeroes);
        EXPECT_EQ(noting->deallocate, deac);
    }
}

TEST_F(io_commands, verify_and_copy_are_on_offer_where_every_device_serves_them) {
    const auto offered = [&] {
        const auto id = h.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
        const auto log =
            h.admin->call(get_log_page(nvme::lid::commands_effects, 4096)).page<nvme::commands_effects_log>();
        EXPECT_EQ(log.io[0x0c], id.oncs & 0x80 ? 1u : 0u) << "effects and ONCS agree";
        EXPECT_EQ(log.io[0x19], id.oncs & 0x100 ? 3u : 0u);
        EXPECT_EQ(id.cdfs, id.oncs & 0x100 ? 1u : 0u);
        return id.oncs & 0x180;
    };
    EXPECT_EQ(offered(), 0x180);
    ASSERT_TRUE(w.devices.add(std::make_shared<noting_device>(
        w.sim.group(), "verifies", bdev::device_geometry{.block_size = 512, .blocks = 100},
        bdev::device_capabilities{.ops = bdev::ops({bdev::op::verify})}, bdev::uuid_of_name("verifies"))));
    w.add(s, "verifies", 2);
    EXPECT_EQ(offered(), 0x80);
    const capsule& copy = call(command(0x19, 2), bytes(32));
    EXPECT_TRUE(copy.status().is(sc::invalid_opcode));
    EXPECT_TRUE(copy.refused);
    ASSERT_TRUE(w.devices.add(std::make_shared<noting_device>(
        w.sim.group(), "plain", bdev::device_geometry{.block_size = 512, .blocks = 100},
        bdev::device_capabilities{.ops = bdev::ops({bdev::op::read})}, bdev::uuid_of_name("plain"))));
    w.add(s, "plain", 3);
    EXPECT_EQ(offered(), 0);
    EXPECT_TRUE(call(io(io_opcode::verify, 3)).status().is(sc::invalid_opcode));
    EXPECT_EQ(call(io(io_opcode::verify, 1)).status(), sc::success) << "where it can be done it is done";
    EXPECT_TRUE(w.run(s.namespaces().remove(3)));
    EXPECT_EQ(offered(), 0x80);
    EXPECT_TRUE(w.run(s.namespaces().remove(2)));
    EXPECT_EQ(offered(), 0x180);
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    EXPECT_EQ(offered(), 0) << "nobody knows what comes";
}

TEST_F(io_commands, a_device_that_fails_says_so_and_the_host_hears_it) {
    auto bad = w.make_faulty("bad");
    w.add(s, "bad", 2);
    bad->add_rule({.status = sc::internal_path_error});
    const capsule& c = call(io(io_opcode::read, 2), bytes(512));
    EXPECT_TRUE(c.status().is(sc::internal_path_error));
    EXPECT_FALSE(c.status().dnr()) << "as the device said";
    EXPECT_FALSE(c.refused);
    EXPECT_FALSE(c.has_data_for_host());
    EXPECT_EQ(counters().failed_commands.get(), 1u);
}

TEST_F(io_commands, flush_of_all_reaches_every_device_that_has_a_cache) {
    auto first = w.make_faulty("first");
    auto second = w.make_faulty("second");
    w.add(s, "first", 4);
    w.add(s, "second", 9);
    const auto flushes = [](bdev::device& d) {
        std::uint64_t n = 0;
        for (std::size_t core = 0; core < d.stats().size(); ++core)
            n += d.stats().on(core).ops[static_cast<unsigned>(bdev::op::flush)].count.get();
        return n;
    };
    EXPECT_EQ(call(io(io_opcode::flush, 9)).status(), sc::success);
    EXPECT_EQ(flushes(*second), 1u);
    EXPECT_EQ(flushes(*first), 0u);
    EXPECT_EQ(call(io(io_opcode::flush, ~0u)).status(), sc::success);
    EXPECT_EQ(flushes(*disk), 1u);
    EXPECT_EQ(flushes(*first), 1u);
    EXPECT_EQ(flushes(*second), 2u);
    first->add_rule({.status = sc::write_fault});
    EXPECT_TRUE(call(io(io_opcode::flush, ~0u)).status().is(sc::write_fault));
    EXPECT_EQ(flushes(*second), 2u) << "it ends at the first failure";
}

TEST_F(io_commands, flush_of_all_survives_namespaces_that_come_and_go) {
    auto slow = w.make_faulty("slow");
    w.add(s, "slow", 2);
    w.make_memory("later");
    slow->add_rule({.what = bdev::fault_rule::kind::hang});
    auto& flush = h.queues[0]->send(io(io_opcode::flush, ~0u));
    EXPECT_TRUE(w.until([&] { return slow->hung() == 1; }));
    w.add(s, "later", 3);
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    slow->clear_rules();
    w.run(slow->release_hung());
    EXPECT_TRUE(w.until([&] { return flush.answered; }));
    EXPECT_EQ(flush.status(), sc::success);
}

class dataset_management : public io_commands {
  protected:
    nvme::command deallocate(std::uint32_t ranges, std::uint32_t attributes = 4) {
        nvme::command c = command(0x09, 1);
        c.cdw10 = ranges - 1;
        c.cdw11 = attributes;
        return c;
    }
    static bytes ranges(std::initializer_list<std::pair<std::uint64_t, std::uint32_t>> list) {
        bytes all;
        for (const auto& [slba, nlb] : list) {
            const bytes one = raw(nvme::dsm_range{.nlb = nlb, .slba = slba});
            all.insert(all.end(), one.begin(), one.end());
        }
        return all;
    }
};

TEST_F(dataset_management, deallocates_every_range) {
    call(io(io_opcode::write, 1, 0, 10), filled(5120, 5));
    EXPECT_EQ(call(deallocate(4), ranges({{1, 1}, {3, 0}, {4, 2}, {9, 1}})).status(), sc::success);
    const bytes data = read(0, 10);
    for (const unsigned block : {1u, 4u, 5u, 9u})
        EXPECT_EQ(data[block * 512], std::byte{0}) << block;
    for (const unsigned block : {0u, 2u, 3u, 6u, 7u, 8u})
        EXPECT_EQ(data[block * 512], std::byte{5}) << block;
}

TEST_F(dataset_management, does_nothing_if_one_range_is_wrong) {
    call(io(io_opcode::write, 1, 0, 10), filled(5120, 5));
    struct {
        const char* sentence;
        std::uint64_t slba;
        std::uint32_t nlb;
        status answer;
    } const rows[] = {
        {"beyond the end", 2048, 1, sc::lba_out_of_range},
        {"across the end", 2047, 2, sc::lba_out_of_range},
        {"wrapping around", 0xffffffffffffffff, 2, sc::lba_out_of_range},
        {"of four billion blocks", 0, 0xffffffff, sc::lba_out_of_range},
        {"at the end, of nothing", 2048, 0, sc::success},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        call(io(io_opcode::write, 1, 0, 10), filled(5120, 5));
        EXPECT_TRUE(call(deallocate(2), ranges({{0, 10}, {row.slba, row.nlb}})).status().is(row.answer));
        EXPECT_EQ(read(0, 10) == filled(5120, 5), !row.answer.ok());
    }
}

TEST_F(dataset_management, takes_256_ranges) {
    call(io(io_opcode::write, 1, 0, 256), filled(131072, 5));
    bytes all;
    for (std::uint64_t i = 0; i < 256; ++i) {
        const bytes one = ranges({{i, 1}});
        all.insert(all.end(), one.begin(), one.end());
    }
    EXPECT_EQ(call(deallocate(256), all).status(), sc::success);
    EXPECT_EQ(read(0, 256), filled(131072, 0));
}

TEST_F(dataset_management, costs_no_stack_on_a_device_that_is_done_at_once) {
    ASSERT_TRUE(w.devices.add(std::make_shared<bdev::null_device>(
        w.sim.group(), "null", bdev::device_geometry{.block_size = 512, .blocks = 4096}, bdev::uuid_of_name("null"))));
    w.add(s, "null", 2);
    nvme::command c = deallocate(256);
    c.nsid = 2;
    bytes all;
    for (std::uint64_t i = 0; i < 256; ++i) {
        const bytes one = ranges({{i, 1}});
        all.insert(all.end(), one.begin(), one.end());
    }
    EXPECT_EQ(call(c, all).status(), sc::success);
}

TEST_F(dataset_management, hints_are_taken_and_forgotten) {
    call(io(io_opcode::write, 1, 0, 1), filled(512, 5));
    EXPECT_EQ(call(deallocate(1, 0), ranges({{0, 1}})).status(), sc::success);
    EXPECT_EQ(call(deallocate(1, 3), ranges({{0, 1}})).status(), sc::success);
    EXPECT_EQ(read(0, 1), filled(512, 5));
}

TEST_F(dataset_management, a_device_that_cannot_deallocate_has_not_failed) {
    struct plain final : bdev::device {
        using device::device;
        std::string_view product_name() const noexcept override { return "plain"; }
        void submit(bdev::io& i) noexcept override { i.complete(sc::internal_error); }
    };
    ASSERT_TRUE(w.devices.add(std::make_shared<plain>(
        w.sim.group(), "plain", bdev::device_geometry{.block_size = 512, .blocks = 100},
        bdev::device_capabilities{.ops = bdev::ops({bdev::op::read})}, bdev::uuid_of_name("plain"))));
    w.add(s, "plain", 2);
    nvme::command c = deallocate(1);
    c.nsid = 2;
    EXPECT_EQ(call(c, ranges({{0, 1}})).status(), sc::success);
    EXPECT_EQ(call(io(io_opcode::flush, 2)).status(), sc::success) << "nor has one without a cache";
    EXPECT_TRUE(call(io(io_opcode::write_zeroes, 2)).status().is(sc::invalid_opcode));
}

TEST_F(dataset_management, ends_at_the_first_range_that_fails) {
    auto bad = w.make_faulty("bad");
    w.add(s, "bad", 2);
    bad->add_rule({.what = bdev::fault_rule::kind::fail, .first_block = 5, .last_block = 5, .status = sc::write_fault});
    nvme::command c = deallocate(3);
    c.nsid = 2;
    EXPECT_TRUE(call(c, ranges({{0, 1}, {5, 1}, {9, 1}})).status().is(sc::write_fault));
}

}  // namespace
}  // namespace causeway::nvmf::test
