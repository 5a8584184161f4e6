// SPDX-License-Identifier: Apache-2.0
// I/O queues and I/O commands.

#include "bdev_nvme/testing/controller_model.h"

#include "bdev_nvme/testing/hand_host.h"

namespace causeway::bdev_nvme::testing {
namespace {

using host = hand_host_with_queue;

/// 4096 bytes of PRPs at a time: lists are in the last pages of `data`.
constexpr std::size_t list_at = 60 * 4096;

TEST(controller_model_io, written_data_reads_back_by_every_kind_of_data_pointer) {
    struct row {
        const char* sentence;
        std::size_t prp1;
        std::optional<std::size_t> prp2;  // of data
        unsigned list_entries;            // at prp2: pages 10, 11, ...
        std::uint32_t blocks;
    };
    const row rows[] = {
        {"one page", 0, std::nullopt, 0, 8},
        {"the end of a page", 512, std::nullopt, 0, 7},
        {"an offset of a dword", 4, std::nullopt, 0, 1},
        {"two pages", 0, 10 * 4096, 0, 16},
        {"a little of two pages", 4096 - 512, 10 * 4096, 0, 2},
        {"a list of two", 0, list_at, 2, 24},
        {"a list with an offset", 1024, list_at + 64, 4, 37},
        {"the last two entries of a list's page", 0, list_at + 4096 - 16, 2, 24},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        host h;
        const std::size_t bytes = r.blocks * 512u;
        for (unsigned i = 0; i < r.list_entries; ++i)
            h.data.set(*r.prp2 + 8 * i, h.data.address((10 + i) * 4096));
        // Where each byte lies, worked out the other way round.
        const auto place = [&](std::size_t i) {
            const std::size_t first = 4096 - r.prp1 % 4096;
            return i < first ? r.prp1 + i : 10 * 4096 + (i - first);
        };
        for (std::size_t i = 0; i < bytes; ++i)
            h.data.set(place(i), static_cast<std::uint8_t>(i * 7 + i / 256));
        const std::uint64_t prp2 = r.prp2 ? h.data.address(*r.prp2) : 0;
        ASSERT_EQ(h.status_of(h.blocks(1, h.data.address(r.prp1), prp2, 5, r.blocks)), 0);
        for (std::size_t i = 0; i < bytes; ++i)
            ASSERT_EQ(static_cast<std::uint8_t>(h.model.find(1)->data(5, r.blocks)[i]),
                      static_cast<std::uint8_t>(i * 7 + i / 256));
        for (std::size_t i = 0; i < bytes; ++i)
            h.data.set(place(i), std::uint8_t{0});
        ASSERT_EQ(h.status_of(h.blocks(2, h.data.address(r.prp1), prp2, 5, r.blocks)), 0);
        for (std::size_t i = 0; i < bytes; ++i)
            ASSERT_EQ(h.data.byte(place(i)), static_cast<std::uint8_t>(i * 7 + i / 256)) << i;
    }
}

TEST(controller_model_io, a_list_goes_on_in_another_page) {
    model_options o;
    o.mdts = 0;
    host h(o);
    pages large(6), lists(2);
    // Two entries in the first list: a page, then where the list goes on.
    lists.set(4096 - 16, large.address(4096));
    lists.set(4096 - 8, lists.address(4096));
    for (unsigned i = 0; i < 4; ++i)
        lists.set(4096 + 8 * i, large.address((2 + i) * 4096));
    large.fill(5 * 4096, 4096, 0x5a);
    ASSERT_EQ(h.status_of(h.blocks(1, large.address(), lists.address(4096 - 16), 0, 48)), 0);
    EXPECT_EQ(h.model.find(1)->data(40, 1)[0], std::byte{0x5a});
    lists.set(4096 - 8, lists.address(4096 + 8));
    EXPECT_EQ(h.status_of(h.blocks(1, large.address(), lists.address(4096 - 16), 0, 48)), 0x013);
}

TEST(controller_model_io, invalid_commands_are_refused) {
    model_options o;
    o.namespaces = {{}, {.write_protected = true}};
    host h(o);
    const auto d = h.data.address();
    const auto with = [](entry e, std::uint32_t flags) {
        e[0] |= flags;
        return e;
    };
    struct row {
        const char* sentence;
        entry command;
        std::uint16_t status;
    } const rows[] = {
        {"PRP1 off a dword", h.blocks(2, d + 2, 0, 0, 1), 0x013},
        {"PRP2 off its page", h.blocks(2, d, d + 4096 + 512, 0, 16), 0x013},
        {"a list off eight bytes", h.blocks(2, d, d + 4096 + 4, 0, 24), 0x013},
        {"no PRP1", h.blocks(2, 0, 0, 0, 1), 0x004},
        {"no PRP2", h.blocks(2, d, 0, 0, 16), 0x004},
        {"past the end", h.blocks(2, d, 0, 2047, 2), 0x080},
        {"far past the end", h.blocks(2, d, 0, ~0ull, 1), 0x080},
        {"more than MDTS", h.blocks(2, d, d, 0, 257), 0x002},
        {"no namespace", h.blocks(2, d, 0, 0, 1, 0), 0x00b},
        {"a namespace that there is not", h.blocks(2, d, 0, 0, 1, 3), 0x00b},
        {"every namespace", h.blocks(2, d, 0, 0, 1, 0xffffffff), 0x00b},
        {"a write to what is protected", h.blocks(1, d, 0, 0, 1, 2), 0x020},
        {"a command that there is not", h.blocks(4, d, 0, 0, 1), 0x001},
        {"SGLs where there are none", with(h.blocks(2, d, 0, 0, 1), 1u << 14), 0x002},
        {"the first half of a pair alone", with(h.blocks(5, d, 0, 0, 1), 1u << 8), 0x00a},
        {"the second half of a pair alone", with(h.blocks(1, d, 0, 0, 1), 2u << 8), 0x00a},
        {"compare what is not so", h.blocks(5, d, 0, 0, 1), 0x285},
    };
    h.data.fill(0, 512, 1);
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        EXPECT_EQ(h.status_of(r.command), r.status);
    }
}

TEST(controller_model_io, scatter_gather_lists) {
    model_options o;
    o.sgls = nvme::sgls_supported;
    host h(o);
    auto& d = h.data;
    const auto descriptor = [&](std::size_t at, std::uint64_t address, std::uint32_t length, std::uint8_t type) {
        d.set(at, address);
        d.set(at + 8, length);
        d.set(at + 12, std::uint32_t{type} << 24);
    };
    // A segment of a data block and a segment; the last of two data blocks.
    descriptor(list_at, d.address(1), 100, 0x00);
    descriptor(list_at + 16, d.address(list_at + 4096), 32, 0x30);
    descriptor(list_at + 4096, d.address(5001), 411, 0x00);
    descriptor(list_at + 4096 + 16, d.address(9000), 1, 0x00);
    d.fill(1, 100, 1);
    d.fill(5001, 411, 2);
    d.fill(9000, 1, 3);
    const auto command = [&](std::uint64_t address, std::uint32_t length, std::uint8_t type, std::uint32_t count = 1) {
        entry e = h.blocks(1, address, 0, 0, count);
        e[0] |= 1u << 14;
        e[8] = length;
        e[9] = std::uint32_t{type} << 24;
        return h.status_of(e);
    };
    EXPECT_EQ(command(d.address(list_at), 32, 0x20), 0);
    const auto block = h.model.find(1)->data(0, 1);
    EXPECT_EQ(block[99], std::byte{1});
    EXPECT_EQ(block[100], std::byte{2});
    EXPECT_EQ(block[510], std::byte{2});
    EXPECT_EQ(block[511], std::byte{3});
    EXPECT_EQ(command(d.address(3), 512, 0x00), 0) << "a data block alone";
    EXPECT_EQ(command(d.address(3), 511, 0x00), 0x00f) << "too short";
    EXPECT_EQ(command(d.address(3), 513, 0x00), 0x00f) << "too long";
    EXPECT_EQ(command(d.address(list_at), 32, 0x30), 0x00d) << "a segment that is not the last leads on";
    EXPECT_EQ(command(d.address(list_at), 24, 0x20), 0x00d) << "half a descriptor";
    EXPECT_EQ(command(d.address(3), 512, 0x40), 0x011) << "keyed";
    EXPECT_EQ(command(d.address(3), 512, 0x01), 0x011) << "an offset";
    // One that leads to itself.
    descriptor(list_at, d.address(list_at), 16, 0x20);
    EXPECT_EQ(command(d.address(list_at), 16, 0x20), 0x00e);
}

TEST(controller_model_io, metadata_travels_with_its_block_or_apart) {
    model_options o;
    o.namespaces = {{.metadata_bytes = 8, .extended = true}, {.metadata_bytes = 8}};
    host h(o);
    h.data.fill(0, 512, 1);
    h.data.fill(512, 8, 2);
    h.data.fill(520, 512, 3);
    h.data.fill(1032, 8, 4);
    ASSERT_EQ(h.status_of(h.blocks(1, h.data.address(), 0, 0, 2)), 0);
    EXPECT_EQ(h.model.find(1)->data(1, 1)[0], std::byte{3});
    EXPECT_EQ(h.model.find(1)->metadata(1, 1)[7], std::byte{4});
    EXPECT_EQ(h.status_of(h.blocks(5, h.data.address(), 0, 0, 2)), 0);
    ASSERT_EQ(h.status_of(h.blocks(2, h.data.address(4096), 0, 0, 2)), 0);
    EXPECT_EQ(std::memcmp(h.data.at(), h.data.at(4096), 1040), 0);

    entry e = h.blocks(1, h.data.address(), 0, 0, 2, 2);
    e[4] = h.low(h.data, 8192);
    e[5] = h.high(h.data, 8192);
    h.data.fill(8192, 16, 9);
    ASSERT_EQ(h.status_of(e), 0);
    EXPECT_EQ(h.model.find(2)->metadata(1, 1)[7], std::byte{9});
    e[0] = 5;
    EXPECT_EQ(h.status_of(e), 0);
    h.data.fill(8200, 1, 0);
    EXPECT_EQ(h.status_of(e), 0x285);
    EXPECT_EQ(h.status_of(h.blocks(1, h.data.address(), 0, 0, 2, 2)), 0x004) << "no MPTR";
}

TEST(controller_model_io, commands_without_data_and_with_lists_of_ranges) {
    host h;
    auto& d = h.data;
    auto* n = h.model.find(1);
    d.fill(0, 4096, 0x77);
    ASSERT_EQ(h.status_of(h.blocks(1, d.address(), 0, 0, 8)), 0);
    EXPECT_EQ(h.status_of(h.blocks(0, 0, 0, 0, 1)), 0) << "flush";
    EXPECT_EQ(h.status_of(h.blocks(0, 0, 0, 0, 1, 0xffffffff)), 0) << "flush all";
    EXPECT_EQ(h.status_of(h.blocks(0x0c, 0, 0, 0, 8)), 0) << "verify";
    EXPECT_EQ(h.status_of(h.blocks(0x0c, 0, 0, 2048, 1)), 0x080);
    EXPECT_EQ(h.status_of(h.blocks(0x08, 0, 0, 2, 1)), 0) << "write zeroes";
    EXPECT_EQ(n->data(1, 1)[511], std::byte{0x77});
    EXPECT_EQ(n->data(2, 1)[0], std::byte{0});
    EXPECT_EQ(n->data(3, 1)[0], std::byte{0x77});

    d.fill(4096, 64, 0);
    d.set(4096 + 4, std::uint32_t{1});
    d.set(4096 + 8, std::uint64_t{4});
    d.set(4096 + 16 + 4, std::uint32_t{1});
    d.set(4096 + 16 + 8, std::uint64_t{6});
    entry dsm = h.blocks(0x09, d.address(4096), 0, 1, 1);
    dsm[11] = 4;
    dsm[12] = 0;
    EXPECT_EQ(h.status_of(dsm), 0) << "deallocate two ranges";
    EXPECT_EQ(n->data(4, 1)[0], std::byte{0});
    EXPECT_EQ(n->data(5, 1)[0], std::byte{0x77});
    EXPECT_EQ(n->data(6, 1)[0], std::byte{0});
    d.set(4096 + 16 + 8, std::uint64_t{2048});
    EXPECT_EQ(h.status_of(dsm), 0x080);

    d.fill(8192, 64, 0);
    d.set(8192 + 8, std::uint64_t{0});
    d.set(8192 + 16, std::uint16_t{1});
    d.set(8192 + 32 + 8, std::uint64_t{2});
    entry copy = h.blocks(0x19, d.address(8192), 0, 1, 2);
    EXPECT_EQ(h.status_of(copy), 0) << "blocks 0, 1 and 2 to 1, 2 and 3";
    EXPECT_EQ(n->data(2, 1)[0], std::byte{0x77});
    EXPECT_EQ(n->data(3, 1)[0], std::byte{0});
    copy[12] = 1u << 8 | 1;
    EXPECT_EQ(h.status_of(copy), 0x002) << "another format";
    d.set(8192 + 16, std::uint16_t{128});
    copy[12] = 1;
    EXPECT_EQ(h.status_of(copy), 0x183) << "a range too long";
    EXPECT_EQ(h.model.io_commands(nvme::io_opcode::copy), 3u);
}

TEST(controller_model_io, compare_and_write_are_one) {
    host h;
    h.data.fill(4096, 512, 1);
    const auto pair = [&](std::uint64_t second_lba) {
        entry compare = h.blocks(5, h.data.address(), 0, 0, 1),
              write = h.blocks(1, h.data.address(4096), 0, second_lba, 1);
        compare[0] |= 1u << 16 | 1u << 8;
        write[0] |= 2u << 16 | 2u << 8;
        h.put(*h.q, compare);
        h.put(*h.q, write);
        h.ring(*h.q);
        h.model.step();
        const auto a = h.poll(*h.q), b = h.poll(*h.q);
        EXPECT_TRUE(a && b);
        EXPECT_EQ(a->cid(), 1);
        EXPECT_EQ(b->cid(), 2);
        return std::pair{a->status(), b->status()};
    };
    EXPECT_EQ(pair(1), (std::pair<std::uint16_t, std::uint16_t>{0x002, 0x002})) << "other blocks";
    EXPECT_EQ(pair(0), (std::pair<std::uint16_t, std::uint16_t>{0, 0}));
    EXPECT_EQ(h.model.find(1)->data(0, 1)[0], std::byte{1});
    EXPECT_EQ(pair(0), (std::pair<std::uint16_t, std::uint16_t>{0x285, 0x009})) << "not the same";
}

TEST(controller_model_io, phases_turn_with_each_round_and_a_full_queue_waits) {
    host h;
    for (int i = 0; i < 40; ++i)
        ASSERT_EQ(h.status_of(h.blocks(0, 0, 0, 0, 1)), 0);
    // Seven fit into a queue of eight.
    for (std::uint32_t i = 0; i < 7; ++i)
        h.put(*h.q, h.blocks(0, 0, 0, 0, 1));
    h.ring(*h.q);
    EXPECT_EQ(h.model.step(), 7u);
    for (std::uint32_t i = 0; i < 3; ++i)
        h.put(*h.q, h.blocks(0, 0, 0, 0, 1));
    h.ring(*h.q);
    EXPECT_EQ(h.model.step(), 0u) << "the host has not said that it has read";
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(h.poll(*h.q, false));
    h.tell_head(*h.q);
    EXPECT_EQ(h.model.step(), 2u);
    for (int i = 0; i < 7; ++i)
        EXPECT_TRUE(h.poll(*h.q));
    EXPECT_EQ(h.model.step(), 1u);
    EXPECT_TRUE(h.poll(*h.q));
    EXPECT_FALSE(h.poll(*h.q));
    EXPECT_EQ(h.model.counters(1).commands.get(), 50u);
    EXPECT_EQ(h.model.counters(1).tail_moves.get(), 42u);
}

TEST(controller_model_io, doorbells_lie_as_far_apart_as_the_stride_says) {
    model_options o;
    o.dstrd = 3;
    host h(o);
    EXPECT_EQ(h.status_of(h.blocks(0, 0, 0, 0, 1)), 0);
    EXPECT_EQ(h.reg32(0x1000 + 2 * 32), 1u);
}

TEST(controller_model_io, a_queue_is_stepped_by_itself) {
    model_options o;
    o.keeps_data = false;
    host h(o);
    h.put(*h.q, h.blocks(2, 0, 0, 0, 1));
    h.put(*h.q, h.blocks(1, 0, 0, 0, 1));
    h.ring(*h.q);
    EXPECT_EQ(h.model.step_queue(1), 2u);
    EXPECT_EQ(h.poll(*h.q)->status(), 0);
    EXPECT_EQ(h.poll(*h.q)->status(), 0);
}

TEST(controller_model_io, memory_that_is_not_reached_is_a_fault_of_the_bus) {
    model_options o;
    o.reaches_everything = false;
    hand_host h(o);
    constexpr std::size_t page = dma_reach::page;
    const auto aligned = [](const pages& p) { return reinterpret_cast<void*>((p.address() + page - 1) / page * page); };
    pages arena(2 * page / 4096), elsewhere(2 * page / 4096);
    h.model.memory().add(aligned(arena), page);
    h.enable();
    const auto identify = [&](const pages& where) {
        const auto at = reinterpret_cast<std::uint64_t>(aligned(where));
        return h.run(
            {0x06, 0, 0, 0, 0, 0, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), 0, 0, 1});
    };
    EXPECT_EQ(identify(arena).status(), 0);
    EXPECT_EQ(h.model.dma_faults(), 0u);
    EXPECT_EQ(identify(elsewhere).status(), 0x004);
    EXPECT_EQ(h.model.dma_faults(), 1u);
}

TEST(controller_model_io, shadow_doorbells_need_the_register_only_after_a_rest) {
    model_options o;
    o.oacs = nvme::oacs_doorbell_buffer;
    hand_host h(o);
    h.enable();
    pages shadow(1), indices(1);
    ASSERT_EQ(h.run({0x7c, 0, 0, 0, 0, 0, h.low(shadow), h.high(shadow), h.low(indices), h.high(indices)}).status(), 0);
    auto& q = h.make_queue(1);
    const auto word = [](pages& p, std::size_t at) {
        return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(p.at(at)));
    };
    const auto submit = [&] {
        h.put(q, hand_host_with_queue::blocks(0, 0, 0, 0, 1));
        word(shadow, 8).store(q.tail, std::memory_order_seq_cst);
    };
    const auto answered = [&] {
        const bool yes = h.poll(q, false).has_value();
        word(shadow, 12).store(q.head, std::memory_order_release);
        return yes;
    };
    submit();
    h.model.step();
    EXPECT_TRUE(answered()) << "awake at first";
    h.steps(5);
    EXPECT_EQ(word(indices, 8).load(), 1u);
    EXPECT_EQ(word(indices, 12).load(), 1u);
    submit();
    h.steps(5);
    EXPECT_FALSE(answered()) << "asleep";
    h.ring(q);
    h.model.step();
    EXPECT_TRUE(answered());
    EXPECT_EQ(h.model.counters(1).tail_moves.get(), 1u);
    for (int i = 0; i < 100; ++i) {
        submit();
        h.model.step();
        ASSERT_TRUE(answered()) << "does not go to sleep while there is work";
    }
    h.steps(5);
    // The same value as the register had last.
    while (q.tail != 1) {
        submit();
        h.ring(q);
        h.model.step();
        ASSERT_TRUE(answered());
    }
    h.steps(5);
    submit();
    h.ring(q);
    h.model.step();
    EXPECT_TRUE(answered());
    EXPECT_EQ(h.model.bad_doorbells(), 0u);
    EXPECT_EQ(h.run({0x7c}).status(), 0x002) << "no pages";
}

}  // namespace
}  // namespace causeway::bdev_nvme::testing
