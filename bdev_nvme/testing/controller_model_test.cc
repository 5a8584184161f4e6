// SPDX-License-Identifier: Apache-2.0
// Registers and state.

#include "bdev_nvme/testing/controller_model.h"

#include "bdev_nvme/testing/hand_host.h"

#include <thread>

namespace causeway::bdev_nvme::testing {
namespace {

constexpr std::uint32_t enabled = 4u << 20 | 6u << 16 | 1;

TEST(controller_model, capabilities_are_the_options) {
    model_options o;
    o.mqes = 0x1ff;
    o.to = 3;
    o.dstrd = 2;
    o.mpsmin = 1;
    o.mpsmax = 3;
    hand_host h(o);
    EXPECT_EQ(h.reg64(0x00), 0x0031'0022'0301'01ffu);
    EXPECT_EQ(h.reg32(0x08), 0x00010400u);
    EXPECT_EQ(h.csts(), 0u);
    EXPECT_EQ(h.model.registers().size() % 4096, 0u);
}

TEST(controller_model, is_ready_some_steps_after_it_is_enabled) {
    hand_host h;
    pages queues(2);
    h.set32(0x24, 7u << 16 | 7);
    h.set64(0x28, queues.address());
    h.set64(0x30, queues.address(4096));
    h.set32(0x14, enabled);
    h.model.step();
    h.model.step();
    EXPECT_EQ(h.csts(), 0u);
    h.model.step();
    EXPECT_EQ(h.csts(), 1u);
    h.set32(0x14, 0);
    h.model.step();
    EXPECT_EQ(h.csts(), 1u);
    h.steps(2);
    EXPECT_EQ(h.csts(), 0u);
    EXPECT_EQ(h.model.enables(), 1u);
}

TEST(controller_model, an_invalid_configuration_is_fatal) {
    struct row {
        const char* sentence;
        std::uint32_t aqa;
        std::size_t asq, acq;
        std::uint32_t cc;
    } const rows[] = {
        {"a submission queue of one entry", 7u << 16, 0, 4096, enabled},
        {"a completion queue of one entry", 7, 0, 4096, enabled},
        {"a submission queue off its page", 7u << 16 | 7, 64, 4096, enabled},
        {"a completion queue off its page", 7u << 16 | 7, 0, 4096 + 16, enabled},
        {"pages larger than there are", 7u << 16 | 7, 0, 4096, enabled | 5u << 7},
        {"a command set that there is not", 7u << 16 | 7, 0, 4096, enabled | 6u << 4},
        {"an arbitration that there is not", 7u << 16 | 7, 0, 4096, enabled | 1u << 11},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        hand_host h;
        pages queues(3);
        h.set32(0x24, r.aqa);
        h.set64(0x28, queues.address(r.asq));
        h.set64(0x30, queues.address(r.acq));
        h.set32(0x14, r.cc);
        h.steps(10);
        EXPECT_EQ(h.csts(), 2u);
        h.set32(0x14, 0);
        h.steps(10);
        EXPECT_EQ(h.csts(), 0u);
    }
}

TEST(controller_model, an_earlier_owner_leaves_it_in_any_state) {
    struct row {
        const char* sentence;
        left_behind before;
        std::uint32_t csts_at_first, csts_after_steps;
    } const rows[] = {
        {"enabled and ready", left_behind::enabled, 1, 1},
        {"on the way to be ready", left_behind::enabling, 0, 1},
        {"failed", left_behind::fatal, 3, 3},
        {"shut down", left_behind::shut_down, 2u << 2 | 1, 2u << 2 | 1},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(r.sentence);
        model_options o;
        o.before = r.before;
        hand_host h(o);
        EXPECT_EQ(h.reg32(0x14) & 1, 1u);
        EXPECT_EQ(h.csts(), r.csts_at_first);
        h.steps(5);
        EXPECT_EQ(h.csts(), r.csts_after_steps);
        h.disable();
        EXPECT_EQ(h.csts(), 0u);
        h.enable();
        EXPECT_EQ(h.csts(), 1u);
    }
}

TEST(controller_model, shutdown_occurs_and_completes) {
    hand_host h;
    h.enable();
    h.set32(0x14, enabled | 1u << 14);
    h.model.step();
    EXPECT_EQ(h.csts(), 1u << 2 | 1);
    h.steps(2);
    EXPECT_EQ(h.csts(), 2u << 2 | 1);
    EXPECT_EQ(h.model.shutdowns(), 1u);
    h.disable();
    EXPECT_EQ(h.csts(), 0u);

    h.enable();
    h.model.hang_shutdown(true);
    h.set32(0x14, enabled | 2u << 14);
    h.steps(100);
    EXPECT_EQ(h.csts(), 1u << 2 | 1);
}

TEST(controller_model, ready_may_be_stuck) {
    hand_host h;
    h.model.hold_ready(false);
    h.enable();
    h.steps(100);
    EXPECT_EQ(h.csts(), 0u);
    h.model.hold_ready(std::nullopt);
    h.model.step();
    EXPECT_EQ(h.csts(), 1u);
    h.model.hold_ready(true);
    h.disable();
    EXPECT_EQ(h.csts(), 1u);
    h.model.hold_ready(std::nullopt);
    h.model.step();
    EXPECT_EQ(h.csts(), 0u);
}

TEST(controller_model, a_fatal_controller_takes_nothing_until_it_is_reset) {
    hand_host h;
    h.enable();
    h.model.set_fatal();
    EXPECT_EQ(h.csts(), 3u);
    h.put(*h.admin, {0x18});
    h.ring(*h.admin);
    EXPECT_EQ(h.model.step(), 0u);
    EXPECT_FALSE(h.poll(*h.admin));
    h.disable();
    h.enable();
    EXPECT_EQ(h.run({0x18}).status(), 0x001);
}

TEST(controller_model, a_removed_controller_reads_all_ones_and_reports_it_once) {
    hand_host h;
    h.enable();
    int told = 0;
    h.model.on_removal([&] { ++told; });
    h.model.remove();
    h.set32(0x14, 0);
    h.steps(3);
    EXPECT_EQ(h.csts(), 0xffffffffu);
    EXPECT_EQ(h.reg64(0), ~std::uint64_t{0});
    h.model.remove();
    EXPECT_EQ(told, 1);
}

TEST(controller_model, accesses_no_memory_once_dma_is_off) {
    hand_host h;
    h.enable();
    h.put(*h.admin, {0x18});
    h.ring(*h.admin);
    ASSERT_TRUE(h.model.stop_dma());
    EXPECT_EQ(h.model.step(), 0u);
    EXPECT_FALSE(h.model.post(0, {}));
    h.model.start_dma();
    EXPECT_EQ(h.model.step(), 1u);
}

TEST(controller_model, works_in_another_thread) {
    hand_host h;
    std::atomic<bool> stop{false};
    std::thread stepping([&] {
        while (!stop.load(std::memory_order_relaxed))
            h.model.step();
    });
    h.admin.emplace(std::uint16_t{0}, 8u);
    h.set32(0x24, 7u << 16 | 7);
    h.set64(0x28, h.admin->sq.address());
    h.set64(0x30, h.admin->cq.address());
    h.set32(0x14, enabled);
    while (!(h.csts() & 1))
        std::this_thread::yield();
    pages data(1);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        h.put(*h.admin, {0x06 | i << 16, 0, 0, 0, 0, 0, h.low(data), h.high(data), 0, 0, 1});
        h.ring(*h.admin);
        std::optional<answer> a;
        while (!(a = h.poll(*h.admin)))
            std::this_thread::yield();
        ASSERT_EQ(a->cid(), i);
        ASSERT_EQ(data.byte(512), 0x66);
        data.fill(512, 1, 0);
    }
    stop.store(true, std::memory_order_relaxed);
    stepping.join();
}

}  // namespace
}  // namespace causeway::bdev_nvme::testing
