// SPDX-License-Identifier: Apache-2.0
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"
#include "host/controller.h"
#include "host/log_pages.h"
#include "host/tcp_connector.h"
#include "host/testing/memory_target.h"
#include "nvme/features.h"

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <optional>

namespace causeway::host::testing {
namespace {

using core::test::eventually;

/// A host with two cores. What is called is called on the first.
struct connected : ::testing::Test {
    template <class F>
    auto run(F make) {
        using value = decltype(std::declval<std::invoke_result_t<F>>().operator co_await().await_resume());
        std::promise<value> done;
        group[0].execute([&] { core::detach(make(), [&](value v) { done.set_value(std::move(v)); }); });
        return done.get_future().get();
    }
    ~connected() override {
        if (k)
            run([&]() -> core::task<bool> {
                co_await k->disconnect();
                co_return true;
            });
        runner.stop();
    }
    core::result<> connect(memory_target& t, std::string nqn = memory_target::subnqn, unsigned depth = 8) {
        by.emplace(address{"tcp", "127.0.0.1", std::to_string(t.port())});
        k.emplace(*by, controller_options{.subnqn = std::move(nqn),
                                          .hostnqn = "nqn.2024-01.io.example:host",
                                          .io_reactors = {&group[0], &group[1]},
                                          .io_depth = depth,
                                          .kato_ms = 0});
        return run([&] { return k->connect(); });
    }

    core::tsc_clock clock;
    core::test::inline_executor blocking;
    core::reactor_group group{{0, 0}, clock, blocking};
    core::thread_runner runner{group};
    std::optional<tcp_connector> by;
    std::optional<controller> k;
};

TEST_F(connected, has_a_queue_on_each_core) {
    memory_target t;
    const auto done = connect(t);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(k->is_alive());
    EXPECT_EQ(k->io_queues(), 2u);
    EXPECT_EQ(k->cntlid(), 1);
    EXPECT_EQ(k->version(), nvme::version(2, 0));
    EXPECT_EQ(k->max_data(), 1u << 20);
    EXPECT_EQ(t.connections_made(), 3u);
    EXPECT_EQ(t.complaint(), "");
}

TEST_F(connected, queues_are_no_deeper_than_the_controller_says) {
    memory_target t;
    ASSERT_TRUE(connect(t, memory_target::subnqn, 4096));
    EXPECT_EQ(k->io(0).depth(), 1023u);
}

TEST_F(connected, finds_namespaces_beyond_the_first_page_of_them) {
    memory_target t({.blocks = 1, .namespaces = 2500});
    ASSERT_TRUE(connect(t));
    const auto all = run([&] { return k->active_namespaces(); });
    ASSERT_TRUE(all) << all.error().text();
    ASSERT_EQ(all->size(), 2500u);
    EXPECT_EQ(all->front(), 1u);
    EXPECT_EQ(all->back(), 2500u);
    const auto groups = run([&] { return read_ana_log(*k); });
    ASSERT_TRUE(groups) << groups.error().text();
    ASSERT_EQ(groups->size(), 1u);
    EXPECT_EQ((*groups)[0].nsids.size(), 2500u) << "the log is larger than the first look at it";
}

TEST_F(connected, reports_why_it_was_refused) {
    memory_target t;
    const auto done = connect(t, "nqn.2024-01.io.example:other");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(),
              "tcp 127.0.0.1:" + std::to_string(t.port()) +
                  ": Connect of queue 0 to nqn.2024-01.io.example:other: connect_invalid_parameters (byte "
                  "256 of the data)");
    k.reset();
}

TEST_F(connected, reports_events_and_the_loss_of_the_connection) {
    memory_target t;
    ASSERT_TRUE(connect(t));
    std::atomic<unsigned> events = 0, losses = 0;
    core::thread_runner::call(group[0], [&] {
        k->on_event = [&](std::uint32_t dw0) {
            EXPECT_EQ(dw0, nvme::async_event_dw0(nvme::notice_event::ana_change, nvme::to_underlying(nvme::lid::ana)));
            ++events;
        };
        k->on_lost = [&](std::string) { ++losses; };
    });
    t.set_ana(nvme::ana_state::inaccessible);
    EXPECT_TRUE(eventually([&] { return events == 1; }));
    t.set_ana(nvme::ana_state::optimized);
    EXPECT_TRUE(eventually([&] { return events == 2; })) << "the next request waits for the next event";
    t.break_connections();
    EXPECT_TRUE(eventually([&] { return losses > 0; }));
    EXPECT_FALSE(core::thread_runner::call(group[0], [&] { return k->is_alive(); }));
    EXPECT_EQ(losses, 1u);
}

}  // namespace
}  // namespace causeway::host::testing
