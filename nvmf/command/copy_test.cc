// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;

class copy_command : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    host h;

    void SetUp() override {
        w.make_memory("disk");  // 2048 blocks of 512 bytes
        w.add(s, "disk");
        h = w.make_host(host_a, 1);
        for (unsigned block = 0; block < 32; ++block)  // 'a', 'b' and so on
            call(io(io_opcode::write, 1, block, 1), filled(512, static_cast<unsigned char>('a' + block % 26)));
    }
    capsule& call(const nvme::command& c, bytes data = {}) { return h.queues[0]->call(c, std::move(data)); }

    /// By hand from "Copy command": opcode 19h, SDLBA in dwords 10 and 11, the number of ranges 0's based in dword 12.
    static nvme::command copy(std::uint32_t nsid, std::uint64_t sdlba, std::uint32_t ranges) {
        bytes c(64);
        const auto put = [&](std::size_t at, std::uint32_t dword) {
            for (unsigned i = 0; i < 4; ++i)
                c[at + i] = static_cast<std::byte>(dword >> 8 * i);
        };
        put(0, 0x4019);
        put(4, nsid);
        put(40, static_cast<std::uint32_t>(sdlba));
        put(44, static_cast<std::uint32_t>(sdlba >> 32));
        put(48, ranges - 1);
        nvme::command command;
        std::memcpy(&command, c.data(), sizeof command);
        return command;
    }
    /// By hand from "Copy - Source Range Entries Descriptor Format 0h": SLBA at 8, NLB at 16, 0's based; the rest says
    /// what protection information to expect.
    static bytes sources(std::initializer_list<std::pair<std::uint64_t, std::uint32_t>> list) {
        bytes all;
        for (const auto& [slba, blocks] : list) {
            bytes entry(32, std::byte{0xee});
            for (unsigned i = 0; i < 8; ++i)
                entry[8 + i] = static_cast<std::byte>(slba >> 8 * i);
            entry[16] = static_cast<std::byte>(blocks - 1);
            entry[17] = static_cast<std::byte>((blocks - 1) >> 8);
            all.insert(all.end(), entry.begin(), entry.end());
        }
        return all;
    }
    std::string content(std::uint64_t slba, std::uint32_t blocks) {
        const bytes data = call(io(io_opcode::read, 1, slba, blocks), bytes(blocks * 512)).data;
        std::string text;
        for (std::size_t at = 0; at < data.size(); at += 512)
            text += data[at] == std::byte{} ? '.' : static_cast<char>(data[at]);
        return text;
    }
};

TEST_F(copy_command, puts_its_sources_one_after_the_other) {
    const capsule& c = call(copy(1, 100, 3), sources({{4, 2}, {0, 1}, {25, 3}}));
    EXPECT_EQ(c.status(), sc::success);
    EXPECT_EQ(c.transfer, transfer::from_host);
    EXPECT_EQ(c.dw0(), 0u);
    EXPECT_EQ(content(99, 8), ".efazab.");
}

TEST_F(copy_command, takes_sixteen_sources) {
    bytes all;
    for (std::uint64_t i = 0; i < 16; ++i) {
        const bytes one = sources({{15 - i, 1}});
        all.insert(all.end(), one.begin(), one.end());
    }
    EXPECT_EQ(call(copy(1, 200, 16), all).status(), sc::success);
    EXPECT_EQ(content(200, 17), "ponmlkjihgfedcba.");
}

TEST_F(copy_command, a_source_may_be_where_the_copy_goes) {
    EXPECT_EQ(call(copy(1, 1, 1), sources({{0, 8}})).status(), sc::success);
    EXPECT_EQ(content(0, 10), "aabcdefghj");
}

TEST_F(copy_command, counts_as_a_write_without_data_from_the_host) {
    const auto smart = [&] { return h.admin->call(get_log_page(nvme::lid::smart, 512)).page<nvme::smart_log>(); };
    const auto before = smart();
    EXPECT_EQ(call(copy(1, 100, 1), sources({{0, 32}})).status(), sc::success);
    EXPECT_EQ(smart().host_write_commands.low, before.host_write_commands.low + 1);
    EXPECT_EQ(smart().host_read_commands.low, before.host_read_commands.low);
    EXPECT_EQ(raw(smart().data_units_written), raw(before.data_units_written));
}

TEST_F(copy_command, fields_that_are_wrong_are_refused_before_sources_are_fetched) {
    struct {
        const char* sentence;
        std::uint64_t sdlba;
        std::uint32_t ranges;
        std::function<void(nvme::command&)> spoil;
        status answer;
        std::uint16_t location;
    } const rows[] = {
        {"descriptor format 1", 0, 1, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 8; }, sc::invalid_field, 49},
        {"descriptor format 8", 0, 1, [](auto& c) { c.cdw12 = c.cdw12 | 8u << 8; }, sc::invalid_field, 49},
        {"streams do not exist", 0, 1, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 20; }, sc::invalid_field, 4 << 8 | 50},
        {"a source more than MSRC", 0, 17, [](auto&) {}, sc::command_size_limit_exceeded, 48},
        {"all that can be said", 0, 256, [](auto&) {}, sc::command_size_limit_exceeded, 48},
        {"to behind the last block", 2048, 1, [](auto&) {}, sc::lba_out_of_range, 40},
        {"to where two sources cannot fit", 2047, 2, [](auto&) {}, sc::lba_out_of_range, 40},
        {"to where it wraps around", ~0ull, 2, [](auto&) {}, sc::lba_out_of_range, 40},
        {"to no namespace", 0, 1, [](auto& c) { c.nsid = 7; }, sc::invalid_namespace_or_format, 4},
        {"to all namespaces", 0, 1, [](auto& c) { c.nsid = ~0u; }, sc::invalid_namespace_or_format, 4},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        nvme::command c = copy(1, row.sdlba, row.ranges);
        row.spoil(c);
        const capsule& answer = call(c, bytes(32 * row.ranges));
        EXPECT_TRUE(answer.status().is(row.answer)) << nvme::to_string(answer.status());
        EXPECT_TRUE(answer.status().dnr());
        EXPECT_TRUE(answer.refused);
        const auto e =
            h.admin->call(get_log_page(nvme::lid::error_information, 64)).page<nvme::error_information_entry>();
        EXPECT_EQ(e.parameter_error_location, row.location);
        EXPECT_EQ(e.lba, row.sdlba);
    }
}

TEST_F(copy_command, does_nothing_if_one_source_is_wrong) {
    struct {
        const char* sentence;
        std::uint64_t slba;
        std::uint32_t blocks;
        status answer;
    } const rows[] = {
        {"beyond the end", 2048, 1, sc::lba_out_of_range},
        {"across the end", 2047, 2, sc::lba_out_of_range},
        {"wrapping around", ~0ull, 2, sc::lba_out_of_range},
        {"more than MSSRL, which is all that MCL allows", 0, 513, sc::command_size_limit_exceeded},
        {"more than MCL with the other one", 0, 512, sc::command_size_limit_exceeded},
        {"as much as can be said, which has no room there", 0, 65536, sc::lba_out_of_range},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        const capsule& c = call(copy(1, 1000, 2), sources({{0, 1}, {row.slba, row.blocks}}));
        EXPECT_TRUE(c.status().is(row.answer)) << nvme::to_string(c.status());
        EXPECT_TRUE(c.status().dnr());
        EXPECT_EQ(c.dw0(), 0u) << "no source was copied";
        EXPECT_EQ(content(1000, 1), ".");
    }
    EXPECT_EQ(call(copy(1, 1000, 2), sources({{0, 1}, {0, 511}})).status(), sc::success) << "all that MCL allows";
    EXPECT_TRUE(call(copy(1, 2040, 1), sources({{0, 9}})).status().is(sc::lba_out_of_range)) << "no room for it there";
}

TEST_F(copy_command, takes_as_many_ranges_as_it_says) {
    EXPECT_TRUE(call(copy(1, 1000, 2), sources({{0, 1}})).status().is(sc::data_sgl_length_invalid));
}

TEST_F(copy_command, what_the_device_is_asked_is_what_the_host_asked) {
    struct noting final : bdev::device {
        using device::device;
        std::string_view product_name() const noexcept override { return "noting"; }
        void submit(bdev::io& i) noexcept override {
            seen.assign(i.sources.begin(), i.sources.end());
            force_unit_access = i.force_unit_access;
            to = i.offset_blocks;
            length = i.length_blocks;
            i.complete(answer);
        }
        std::vector<bdev::copy_source> seen;
        bool force_unit_access = false;
        std::uint64_t to = 0, length = 0;
        status answer = sc::success;
    };
    auto noting_disk = std::make_shared<noting>(w.sim.group(), "noting",
                                                bdev::device_geometry{.block_size = 512,
                                                                      .blocks = 1ull << 40,
                                                                      .copy_source_blocks = 65536,
                                                                      .copy_blocks = 1 << 20,
                                                                      .copy_sources = 2},
                                                bdev::device_capabilities{.ops = bdev::ops({bdev::op::copy})},
                                                bdev::uuid_of_name("noting"));
    ASSERT_TRUE(w.devices.add(noting_disk));
    w.add(s, "noting", 2);
    for (const bool fua : {false, true}) {
        nvme::command c = copy(2, 0x1234567890, 2);
        c.cdw12 = c.cdw12 | (fua ? nvme::rw_fua : 0);
        EXPECT_EQ(call(c, sources({{0xff00000000, 65536}, {5, 1}})).status(), sc::success);
        EXPECT_EQ(noting_disk->to, 0x1234567890u);
        EXPECT_EQ(noting_disk->length, 65537u);
        EXPECT_EQ(noting_disk->force_unit_access, fua);
        ASSERT_EQ(noting_disk->seen.size(), 2u);
        EXPECT_EQ(noting_disk->seen[0].offset_blocks, 0xff00000000u);
        EXPECT_EQ(noting_disk->seen[0].length_blocks, 65536u);
        EXPECT_EQ(noting_disk->seen[1].offset_blocks, 5u);
        EXPECT_EQ(noting_disk->seen[1].length_blocks, 1u);
    }
    EXPECT_TRUE(call(copy(2, 0, 3), bytes(96)).status().is(sc::command_size_limit_exceeded)) << "this device takes two";
    noting_disk->answer = sc::write_fault;
    EXPECT_TRUE(call(copy(2, 0, 1), sources({{5, 1}})).status().is(sc::write_fault));
}

TEST_F(copy_command, a_namespace_that_goes_while_sources_are_fetched_is_not_written) {
    h.queues[0]->hold = true;
    auto& c = h.queues[0]->send(copy(1, 100, 1), sources({{0, 1}}));
    EXPECT_TRUE(w.until([&] { return c.held; }));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    h.queues[0]->execute_held(c);
    EXPECT_TRUE(w.until([&] { return c.answered; }));
    EXPECT_TRUE(c.status().is(sc::invalid_namespace_or_format));
}

}  // namespace
}  // namespace causeway::nvmf::test
