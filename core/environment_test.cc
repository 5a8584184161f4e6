// SPDX-License-Identifier: Apache-2.0
#include "core/environment.h"

#include "core/buffer_pool.h"
#include "core/dma_memory.h"
#include "core/lcore_runner.h"
#include "core/task.h"
#include "core/testing/core_fixture.h"

#include <atomic>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>
#include <vector>

namespace causeway::core {
namespace {

/// A task goes round all reactors and stops them from the last.
void reactors_run_each_on_its_lcore(const environment& e) {
    const tsc_clock clock;
    test::inline_executor blocking;
    reactor_group group(e.cpus(), clock, blocking);
    lcore_runner runner(e, group);
    std::vector<unsigned> seen;
    const auto go_round = [&]() -> task<> {
        co_await for_each_reactor(group, [&](reactor& r) { seen.push_back(r.index()); });
        runner.stop();
    };
    group.control().execute([&] { detach(go_round()); });
    runner.run();
    EXPECT_EQ(seen, (std::vector{0u, 1u, 2u}));
    for (const auto& r : group)
        EXPECT_NE(r->thread_id(), 0);
    EXPECT_EQ(group.control().thread_id(), ::getpid()) << "the main thread runs the control reactor";
}

// DPDK starts once in a process and cannot start again: everything that needs it shares one case.

TEST(environment, refuses_invalid_options_before_it_starts_dpdk) {
    EXPECT_EQ(environment::start({.core_mask = "nonsense"}).error().code, EINVAL);
    EXPECT_EQ(environment::start({.core_mask = "0x1", .lcores = "0"}).error().code, EINVAL);
    const auto absent = environment::start({.core_mask = "[0,1023]"});
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code, EINVAL);
    EXPECT_EQ(absent.error().text(), "[0,1023]: CPU 1023 does not exist, or this process may not use it");
    EXPECT_FALSE(environment::running());
}

TEST(environment, runs_lcores_and_gives_memory) {
    ASSERT_FALSE(environment::running());
    auto started = environment::start({.lcores = "(0-2)@0", .no_huge = true, .memory_mb = 64});
    ASSERT_TRUE(started) << started.error().text();
    const environment e = std::move(*started);
    EXPECT_TRUE(environment::running());
    EXPECT_FALSE(e.huge_pages());
    EXPECT_EQ(e.cpus(), (std::vector{0u, 0u, 0u}));

    for (int again = 0; again < 2; ++again) {
        std::atomic<unsigned> seen{0};
        std::atomic<unsigned> wrong_cpu{0};
        e.run_on_all([&](unsigned i) {
            seen += 1u << i;
            wrong_cpu += ::sched_getcpu() != 0;
        });
        EXPECT_EQ(seen, 7u);
        EXPECT_EQ(wrong_cpu, 0u);
    }

    reactors_run_each_on_its_lcore(e);

    auto memory = dma_memory::allocate(1 << 20);
    ASSERT_TRUE(memory);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % 4096, 0u);
    EXPECT_EQ(memory->data()[12345], std::byte{0});
    EXPECT_EQ(dma_memory::allocate(1ull << 30).error().code, ENOMEM);
    constexpr buffer_pool::size_class too_much[] = {{1u << 20, 1u << 10}};
    EXPECT_EQ(buffer_pool::create(too_much).error().code, ENOMEM);
    constexpr buffer_pool::size_class some[] = {{1u << 20, 4}};
    EXPECT_TRUE(buffer_pool::check(some, 2));
    EXPECT_EQ(buffer_pool::check(some, 1000).error().code, ENOMEM);
    EXPECT_TRUE(buffer_pool::check(some, 2)) << "what was tried is given back";
}

}  // namespace
}  // namespace causeway::core
