// SPDX-License-Identifier: Apache-2.0
// I/O commands. NVM Command Set Specification 1.0, and NVM Express Base Specification 2.0, "Fused Operations".

#include "tests/conformance/row_makers.h"

#include "nvme/identify.h"

namespace causeway::conformance {

namespace {

using nvme::io_opcode;

bytes blocks_of(std::uint32_t count, std::uint8_t fill = 0) {
    return bytes(std::size_t{count} * block_size, std::byte{fill});
}

nvme::command block_command(io_opcode op, std::uint64_t slba, std::uint32_t blocks, std::uint32_t nsid = 1) {
    return nvme::make_block_command(op, nsid, slba, blocks, blocks * block_size);
}

bool moves_data(io_opcode op) {
    return op != io_opcode::write_zeroes && op != io_opcode::verify;
}

struct ranged_command {
    const char* name;
    io_opcode op;
};

/// What all commands on a range of blocks have in common.
void add_range_rows(std::vector<row>& to, const target_info& t, const ranged_command& c) {
    row_adder add(to, c.name, queue::io);
    const bytes data = moves_data(c.op) ? blocks_of(1) : bytes();
    const bytes two = moves_data(c.op) ? blocks_of(2) : bytes();
    const nvme::status beyond = sc::lba_out_of_range.with_dnr();
    add.works("the first block", block_command(c.op, 0, 1), data);
    add.works("the last block", block_command(c.op, t.blocks - 1, 1), data);
    add.fails("the block behind the last", block_command(c.op, t.blocks, 1), beyond, at_cdw10, 0, data);
    add.fails("the last block and the one behind it", block_command(c.op, t.blocks - 1, 2), beyond, at_cdw10, 0, two);
    add.fails("a range whose end wraps around", block_command(c.op, ~0ull, 2), beyond, at_cdw10, 0, two);
    for (const std::uint32_t nsid : {0u, t.max_nsid, t.max_nsid + 1, ~0u}) {
        const char* const what = nsid == 0            ? "NSID 0"
                                 : nsid == t.max_nsid ? "NSID that is not active"
                                 : nsid == ~0u        ? "NSID FFFFFFFFh"
                                                      : "NSID above NN";
        add.fails(what, block_command(c.op, 0, 1, nsid), invalid_namespace, at_nsid, 0, data);
    }
    add.fails("FUSE 11b: reserved", with(block_command(c.op, 0, 1), [](auto& x) { x.flags = 0x43; }), invalid_field, 1,
              0, data);
    if (moves_data(c.op))
        add.fails("NLB: a block more than MDTS", block_command(c.op, 0, t.max_blocks + 1), invalid_field, at_cdw12, 0,
                  blocks_of(t.max_blocks + 1));
}

void add_dataset_management_rows(std::vector<row>& to, const target_info& t) {
    row_adder add(to, "Dataset Management", queue::io);
    const auto ranges = [](std::uint64_t slba, std::uint32_t blocks, std::size_t count = 1) {
        bytes all;
        for (std::size_t i = 0; i < count; ++i) {
            const bytes one = bytes_of(nvme::dsm_range{.cattr = 0, .nlb = blocks, .slba = slba});
            all.insert(all.end(), one.begin(), one.end());
        }
        return all;
    };
    const nvme::command one = nvme::make_deallocate(1, 1);
    add.works("AD: one range", one, ranges(0, 8));
    add.works("AD: 256 ranges", nvme::make_deallocate(1, 256), ranges(0, 8, 256));
    add.works("AD: a range of no blocks", one, ranges(0, 0));
    add.works("IDR: a hint", with(one, [](auto& c) { c.cdw11 = 1; }), ranges(0, 8));
    add.works("IDW: a hint", with(one, [](auto& c) { c.cdw11 = 2; }), ranges(0, 8));
    add.fails_without_location("AD: a range that ends behind the last block", one, sc::lba_out_of_range.with_dnr(),
                               ranges(t.blocks - 1, 2))
        .note = "nothing is deallocated, whichever range is wrong";
    add.fails("NSID FFFFFFFFh", nvme::make_deallocate(~0u, 1), invalid_namespace, at_nsid, 0, ranges(0, 8));
}

void add_copy_rows(std::vector<row>& to, const target_info& t) {
    row_adder add(to, "Copy", queue::io);
    const auto source = [](std::uint64_t slba, std::uint16_t blocks) {
        nvme::copy_range range{};
        range.slba = slba;
        range.nlb = static_cast<std::uint16_t>(blocks - 1);
        return bytes_of(range);
    };
    const nvme::command one = nvme::make_copy(1, 64, 1);
    if (!(t.oncs & nvme::oncs_copy)) {
        add.fails("to a device that cannot", one, invalid_opcode, 0, 0, source(0, 8)).note =
            "ONCS says so, and the effects log page leaves it out";
        return;
    }
    add.works("one range", one, source(0, 8));
    add.fails("descriptor format 1", with(one, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 8; }), invalid_field, 49, 0,
              source(0, 8));
    add.fails("DTYPE 1: streams", with(one, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 20; }), invalid_field, 50, 4,
              source(0, 8));
    add.fails("SDLBA: the block behind the last", nvme::make_copy(1, t.blocks, 1), sc::lba_out_of_range.with_dnr(),
              at_cdw10, 0, source(0, 8));
    bytes sources;
    for (std::uint32_t i = 0; i <= t.max_copy_sources; ++i) {
        const bytes each = source(i, 1);
        sources.insert(sources.end(), each.begin(), each.end());
    }
    add.fails("NR: a range more than MSRC", nvme::make_copy(1, 64, t.max_copy_sources + 1),
              sc::command_size_limit_exceeded.with_dnr(), at_cdw12, 0, sources);
    sources.resize(sources.size() - sizeof(nvme::copy_range));
    add.works("NR: as many ranges as MSRC", nvme::make_copy(1, 64, t.max_copy_sources), sources);
    add.fails_without_location("a source behind the last block", one, sc::lba_out_of_range.with_dnr(),
                               source(t.blocks, 8));
}

}  // namespace

void add_io_rows(std::vector<row>& to, const target_info& t) {
    row_adder flush(to, "Flush", queue::io);
    flush.works("the namespace", nvme::make_flush(1));
    flush.works("NSID FFFFFFFFh: all namespaces", nvme::make_flush(~0u)).note = "VWC says that this is supported";
    flush.fails("NSID 0", nvme::make_flush(0), invalid_namespace, at_nsid);
    flush.fails("NSID that is not active", nvme::make_flush(t.max_nsid), invalid_namespace, at_nsid);

    add_range_rows(to, t, {"Write Zeroes", io_opcode::write_zeroes});
    add_range_rows(to, t, {"Write", io_opcode::write});
    add_range_rows(to, t, {"Read", io_opcode::read});
    add_range_rows(to, t, {"Compare", io_opcode::compare});
    if (t.oncs & nvme::oncs_verify)
        add_range_rows(to, t, {"Verify", io_opcode::verify});

    row_adder write(to, "Write", queue::io);
    const nvme::command one = block_command(io_opcode::write, 0, 1);
    write.fails("DTYPE 1: streams", with(one, [](auto& c) { c.cdw12 = c.cdw12 | 1u << 20; }), invalid_field, 50, 4,
                blocks_of(1));
    write.works("FUA, LR and PRINFO", with(one, [](auto& c) { c.cdw12 = c.cdw12 | 0xfc000000u; }), blocks_of(1)).note =
        "without metadata PRINFO has no meaning";
    row_adder zeroes(to, "Write Zeroes", queue::io);
    zeroes.works("DEAC", with(block_command(io_opcode::write_zeroes, 0, 1),
                              [](auto& c) { c.cdw12 = c.cdw12 | nvme::write_zeroes_deac; }));
    row_adder compare(to, "Compare", queue::io);
    compare.fails_without_location("other data", block_command(io_opcode::compare, 0, 1),
                                   sc::compare_failure.with_dnr(), blocks_of(1, 0x5a));
    add_dataset_management_rows(to, t);
    add_copy_rows(to, t);

    row_adder unknown(to, "I/O command", queue::io);
    for (const auto& [opcode, name] :
         std::initializer_list<std::pair<unsigned, const char*>>{{0x04, "Write Uncorrectable"},
                                                                 {0x10, "reserved"},
                                                                 {0x18, "I/O Management Receive"},
                                                                 {0x1c, "reserved"},
                                                                 {0x20, "reserved"},
                                                                 {0x78, "reserved"},
                                                                 {0x80, "vendor specific"},
                                                                 {0xc0, "vendor specific"},
                                                                 {0xfc, "vendor specific"}})
        unknown.fails("opcode " + hex(opcode) + ": " + name, nvme::make_command(static_cast<std::uint8_t>(opcode), 1),
                      invalid_opcode, 0);
    for (const auto& [opcode, name] :
         std::initializer_list<std::pair<unsigned, const char*>>{{0x79, "Zone Management Send"}, {0x7d, "Zone Append"}})
        unknown.fails("opcode " + hex(opcode) + ": " + name,
                      nvme::make_command(static_cast<std::uint8_t>(opcode), 1, 64), invalid_opcode, 0, 0, bytes(64));
}

void add_fused_rows(std::vector<row>& to, const target_info&) {
    row_adder add(to, "Compare and Write", queue::io);
    const auto half = [](io_opcode op, std::uint8_t fuse) {
        return with(block_command(op, 0, 1), [&](auto& c) { c.flags = static_cast<std::uint8_t>(0x40 | fuse); });
    };
    add.fails_without_location("the second half alone", half(io_opcode::write, 2), sc::aborted_missing_fused,
                               blocks_of(1));
    add.fails("Write as the first half", half(io_opcode::write, 1), invalid_field, 1, 0, blocks_of(1));
    // Which makes the next one the second half of a pair that has failed.
    add.fails_without_location("the second half of a failed first one", half(io_opcode::write, 2),
                               sc::aborted_failed_fused, blocks_of(1));
}

}  // namespace causeway::conformance
