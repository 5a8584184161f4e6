// SPDX-License-Identifier: Apache-2.0
// Admin commands: Identify, queues, features, log pages, events, and the host memory buffer.

#include "bdev_nvme/testing/controller_model.h"

#include "bdev_nvme/testing/hand_host.h"

namespace causeway::bdev_nvme::testing {
namespace {

TEST(controller_model_admin, identify_controller_byte_by_byte) {
    model_options o;
    o.mdts = 7;
    o.namespaces = {{}, {.nsid = 9}};
    o.sgls = 0x00010001;
    hand_host h(o);
    h.enable();
    pages data(1);
    ASSERT_EQ(h.run({0x06, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 1}).status(), 0);
    EXPECT_EQ(data.text(4, 20), "CWMODEL0001         ");
    EXPECT_EQ(data.text(64, 8), "1.0     ");
    EXPECT_EQ(data.byte(77), 7);
    EXPECT_EQ(data.get(80), 0x00010400u);
    EXPECT_EQ(data.byte(111), 1);
    EXPECT_EQ(data.byte(258), 3);
    EXPECT_EQ(data.byte(512), 0x66);
    EXPECT_EQ(data.byte(513), 0x44);
    EXPECT_EQ(data.get(516), 9u);
    EXPECT_EQ(data.get<std::uint16_t>(520), 0x19d);
    EXPECT_EQ(data.byte(522), 1);
    EXPECT_EQ(data.byte(525), 7);
    EXPECT_EQ(data.get(536), 0x00010001u);
}

TEST(controller_model_admin, identify_namespace_byte_by_byte) {
    model_options o;
    model_namespace n;
    n.blocks = 300;
    n.lbads = 12;
    n.metadata_bytes = 8;
    n.extended = true;
    n.noiob = 64;
    n.nguid = {1, 2, 3};
    n.eui64 = {4, 5};
    o.namespaces = {n};
    o.nn = 3;
    hand_host h(o);
    h.enable();
    pages data(1);
    const auto identify = [&](std::uint32_t cns, std::uint32_t nsid, std::uint32_t dw11 = 0) {
        data.fill(0, 4096, 0xee);
        return h.run({0x06, nsid, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, cns, dw11}).status();
    };
    ASSERT_EQ(identify(0, 1), 0);
    EXPECT_EQ(data.get<std::uint64_t>(0), 300u);
    EXPECT_EQ(data.byte(25), 1);
    EXPECT_EQ(data.byte(26), 0x11);
    EXPECT_EQ(data.get<std::uint16_t>(46), 64);
    EXPECT_EQ(data.byte(104), 1);
    EXPECT_EQ(data.byte(120), 4);
    EXPECT_EQ(data.get(132), 12u << 16 | 8);

    ASSERT_EQ(identify(0, 2), 0);
    EXPECT_EQ(data.get<std::uint64_t>(0), 0u) << "not active";
    EXPECT_EQ(identify(0, 4), 0x00b) << "not valid";
    ASSERT_EQ(identify(2, 0), 0);
    EXPECT_EQ(data.get(0), 1u);
    EXPECT_EQ(data.get(4), 0u);
    ASSERT_EQ(identify(2, 1), 0);
    EXPECT_EQ(data.get(0), 0u);
    ASSERT_EQ(identify(3, 1), 0);
    EXPECT_EQ(data.get(0), 0x0801u);
    EXPECT_EQ(data.byte(4), 4);
    EXPECT_EQ(data.get(12), 0x1002u);
    EXPECT_EQ(data.byte(16), 1);
    EXPECT_EQ(data.get(32), 0u);
    EXPECT_EQ(identify(3, 2), 0x00b);
    EXPECT_EQ(identify(5, 1), 0);
    EXPECT_EQ(identify(5, 1, 2u << 24), 0x002) << "not zoned";
    EXPECT_EQ(identify(6, 0), 0);
    ASSERT_EQ(identify(8, 1), 0);
    EXPECT_EQ(data.byte(14), 1);
    EXPECT_EQ(identify(0x1c, 0), 0x002);
}

TEST(controller_model_admin, invalid_queues_are_refused) {
    struct row {
        const char* sentence;
        std::uint32_t opcode;
        std::size_t offset;
        std::uint32_t dw10, dw11;
        std::uint16_t status;
    } const rows[] = {
        {"a submission queue needs its completion queue", 0x01, 0, 7u << 16 | 1, 1u << 16 | 1, 0x100},
        {"a completion queue has an identifier", 0x05, 0, 7u << 16, 1, 0x101},
        {"a completion queue's identifier is within the number of queues", 0x05, 0, 7u << 16 | 9, 1, 0x101},
        {"a completion queue has two entries or more", 0x05, 0, 1, 1, 0x102},
        {"a completion queue is no larger than CAP.MQES", 0x05, 0, 1024u << 16 | 1, 1, 0x102},
        {"a completion queue is contiguous", 0x05, 0, 7u << 16 | 1, 0, 0x002},
        {"a completion queue's vector exists", 0x05, 0, 7u << 16 | 1, 5u << 16 | 3, 0x108},
        {"a completion queue begins with a page", 0x05, 64, 7u << 16 | 1, 1, 0x013},
        {"a completion queue", 0x05, 0, 7u << 16 | 1, 1, 0},
        {"a completion queue is made once", 0x05, 0, 7u << 16 | 1, 1, 0x101},
        {"a submission queue has an identifier", 0x01, 0, 7u << 16, 1u << 16 | 1, 0x101},
        {"a submission queue is not the admin completion queue's", 0x01, 0, 7u << 16 | 1, 1, 0x101},
        {"a submission queue has two entries or more", 0x01, 0, 1, 1u << 16 | 1, 0x102},
        {"a submission queue is contiguous", 0x01, 0, 7u << 16 | 1, 1u << 16, 0x002},
        {"a submission queue begins with a page", 0x01, 2048, 7u << 16 | 1, 1u << 16 | 1, 0x013},
        {"a submission queue", 0x01, 0, 7u << 16 | 1, 1u << 16 | 1, 0},
        {"a submission queue is made once", 0x01, 0, 7u << 16 | 1, 1u << 16 | 1, 0x101},
        {"the number of queues is settled before there are any", 0x09, 0, 0x07, 0, 0x00c},
        {"a completion queue goes after its submission queue", 0x04, 0, 1, 0, 0x10c},
        {"a submission queue is deleted", 0x00, 0, 1, 0, 0},
        {"a submission queue is deleted once", 0x00, 0, 1, 0, 0x101},
        {"a completion queue is deleted", 0x04, 0, 1, 0, 0},
        {"a completion queue is deleted once", 0x04, 0, 1, 0, 0x101},
        {"the admin queue is not deleted", 0x00, 0, 0, 0, 0x101},
    };
    hand_host h;
    h.enable();
    pages memory(2);
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        EXPECT_EQ(
            h.run({r.opcode, 0, 0, 0, 0, 0, h.low(memory, r.offset), h.high(memory, r.offset), 0, 0, r.dw10, r.dw11})
                .status(),
            r.status);
    }
    EXPECT_EQ(h.model.submission_queues(), 0u);
    EXPECT_EQ(h.model.completion_queues(), 0u);
}

TEST(controller_model_admin, features_are_set_and_read) {
    struct row {
        const char* sentence;
        std::uint32_t opcode, dw10, dw11;
        std::uint16_t status;
        std::uint32_t dw0;
    } const rows[] = {
        {"no more queues than there are", 0x09, 0x07, 31u << 16 | 31, 0, 7u << 16 | 7},
        {"fewer queues where fewer are asked for", 0x09, 0x07, 1u << 16 | 3, 0, 1u << 16 | 3},
        {"the number of queues is kept", 0x0a, 0x07, 0, 0, 1u << 16 | 3},
        {"the number of queues is not 65536", 0x09, 0x07, 0xffff, 0x002, 0},
        {"a write cache is on at first", 0x0a, 0x06, 0, 0, 1},
        {"a write cache can be turned off", 0x09, 0x06, 0, 0, 0},
        {"a write cache stays off", 0x0a, 0x06, 0, 0, 0},
        {"events are asked for", 0x09, 0x0b, 0x1ff, 0, 0},
        {"a threshold at first is the warning temperature", 0x0a, 0x04, 0, 0, 343},
        {"nothing is saved", 0x09, 0x80000006, 1, 0x10d, 0},
        {"no host memory where none is wanted", 0x09, 0x0d, 1, 0x002, 0},
        {"no keep-alive timer", 0x09, 0x0f, 1, 0x002, 0},
        {"a feature that there is not", 0x0a, 0x7f, 0, 0x002, 0},
        {"keep-alive is refused", 0x18, 0, 0, 0x001, 0},
        {"shadow doorbells are refused where there are none", 0x7c, 0, 0, 0x001, 0},
    };
    hand_host h;
    h.enable();
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        const auto a = h.run({r.opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0, r.dw10, r.dw11});
        EXPECT_EQ(a.status(), r.status);
        EXPECT_EQ(a.dw[0], r.dw0);
    }
}

TEST(controller_model_admin, log_pages_have_their_layout) {
    hand_host h;
    h.enable();
    pages data(1);
    const auto log = [&](std::uint32_t lid, std::uint32_t bytes, std::uint32_t offset = 0) {
        data.fill(0, 4096, 0xee);
        return h
            .run(
                {0x02, 0xffffffff, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, (bytes / 4 - 1) << 16 | lid, 0, offset})
            .status();
    };
    EXPECT_EQ(log(0x70, 512), 0x109) << "sets an error entry";
    ASSERT_EQ(log(1, 64), 0);
    EXPECT_EQ(data.get<std::uint64_t>(0), 1u);
    EXPECT_EQ(data.get<std::uint16_t>(12), 0x109 << 1);
    h.model.health().percentage_used = 7;
    h.model.health().composite_temperature = 350;
    ASSERT_EQ(log(2, 512), 0);
    EXPECT_EQ(data.byte(0), 2) << "over the threshold";
    EXPECT_EQ(data.get<std::uint16_t>(1), 350);
    EXPECT_EQ(data.byte(5), 7);
    ASSERT_EQ(log(3, 512), 0);
    EXPECT_EQ(data.text(8, 8), "1.0     ");
    ASSERT_EQ(log(5, 4096), 0);
    EXPECT_EQ(data.get(0x06 * 4), 1u);
    EXPECT_EQ(data.get(0x18 * 4), 0u);
    EXPECT_EQ(data.get(1024 + 2 * 4), 1u);
    ASSERT_EQ(log(5, 4, 1024 + 2 * 4), 0) << "a part";
    EXPECT_EQ(data.get(0), 1u);
    EXPECT_EQ(data.byte(4), 0xee);
    EXPECT_EQ(log(5, 4, 8192), 0x002);
}

TEST(controller_model_admin, a_changed_namespace_is_reported_once_until_its_log_page_is_read) {
    hand_host h;
    h.enable();
    EXPECT_EQ(h.run({0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0x100}).status(), 0);
    for (std::uint32_t cid = 1; cid <= 5; ++cid)
        h.put(*h.admin, {0x0c | cid << 16});
    h.ring(*h.admin);
    h.model.step();
    const auto beyond = h.poll(*h.admin);
    ASSERT_TRUE(beyond);
    EXPECT_EQ(beyond->cid(), 5) << "beyond AERL";
    EXPECT_EQ(beyond->status(), 0x105);

    h.model.resize_namespace(1, 4096);
    h.model.step();
    const auto told = h.poll(*h.admin);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->cid(), 1);
    EXPECT_EQ(told->dw[0], 0x00040002u);
    h.model.add_namespace({});
    h.model.step();
    EXPECT_FALSE(h.poll(*h.admin));
    pages data(1);
    ASSERT_EQ(h.run({0x02, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 1023u << 16 | 4}).status(), 0);
    EXPECT_EQ(data.get(0), 1u);
    EXPECT_EQ(data.get(4), 2u);
    EXPECT_EQ(data.get(8), 0u);
    h.model.step();
    EXPECT_TRUE(h.poll(*h.admin)) << "the second change";
    EXPECT_EQ(h.model.event_requests(), 2u);
}

TEST(controller_model_admin, warnings_are_reported_if_the_host_enabled_them) {
    hand_host h;
    h.enable();
    h.put(*h.admin, {0x0c});
    h.ring(*h.admin);
    h.model.warn(1);
    h.steps(2);
    EXPECT_FALSE(h.poll(*h.admin));
    h.run({0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 1});
    h.model.warn(1);
    h.model.step();
    const auto told = h.poll(*h.admin);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->dw[0], 0x00020201u);
}

TEST(controller_model_admin, invalid_doorbells_are_reported) {
    struct row {
        const char* sentence;
        std::size_t at;
        std::uint32_t value, dw0;
    } const rows[] = {
        {"a tail past the end", 0x1008, 8, 0x00010100},
        {"a head past the end", 0x100c, 8, 0x00010100},
        {"a head past what there is", 0x100c, 1, 0x00010100},
        {"a queue that there is not", 0x1020, 1, 0x00010000},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        hand_host_with_queue h;
        h.put(*h.admin, {0x0c | 3u << 16});
        h.ring(*h.admin);
        h.set32(r.at, r.value);
        h.model.step();
        const auto told = h.poll(*h.admin);
        ASSERT_TRUE(told);
        EXPECT_EQ(told->dw[0], r.dw0);
        EXPECT_EQ(h.model.bad_doorbells(), 1u);
        h.model.step();
        EXPECT_EQ(h.model.bad_doorbells(), 1u);
    }
}

TEST(controller_model_admin, the_host_memory_buffer_is_used_until_it_is_disabled) {
    model_options o;
    o.hmpre = 4;
    o.hmmin = 2;
    hand_host h(o);
    h.enable();
    pages lent(4), list(1);
    list.set(0, lent.address());
    list.set(8, std::uint32_t{2});
    list.set(16, lent.address(8192));
    list.set(24, std::uint32_t{2});
    const auto set = [&](std::uint32_t enable, std::uint32_t size, std::uint32_t entries) {
        return h.run({0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0d, enable, size, h.low(list), h.high(list), entries})
            .status();
    };
    EXPECT_EQ(set(1, 3, 2), 0x002) << "sizes do not add up";
    EXPECT_EQ(set(1, 4, 2), 0);
    EXPECT_EQ(h.model.host_memory_bytes(), 4 * 4096u);
    EXPECT_EQ(set(1, 4, 2), 0x00c) << "twice";
    const auto before = lent.byte(0);
    h.model.step();
    EXPECT_NE(lent.byte(0), before);
    pages data(1);
    const auto got = h.run({0x0a, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 0x0d});
    EXPECT_EQ(got.dw[0], 1u);
    EXPECT_EQ(data.get(0), 4u);
    EXPECT_EQ(data.get(12), 2u);
    EXPECT_EQ(set(0, 0, 0), 0);
    const auto after = lent.byte(0);
    h.model.step();
    EXPECT_EQ(lent.byte(0), after);
}

}  // namespace
}  // namespace causeway::bdev_nvme::testing
