// SPDX-License-Identifier: Apache-2.0
#include "core/simulation.h"

#include "core/random.h"
#include "core/task.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

TEST(random_source, gives_the_same_numbers_everywhere) {
    // By splitmix64 and xoshiro256** as their authors publish them, in C.
    random_source r(42);
    EXPECT_EQ(r.next(), 0x15780b2e0c2ec716u);
    EXPECT_EQ(r.next(), 0x6104d9866d113a7eu);
    EXPECT_EQ(r.next(), 0xae17533239e499a1u);
}

TEST(random_source, stays_within_its_bounds_and_reaches_them) {
    random_source r(7);
    std::set<std::uint64_t> seen;
    int heads = 0;
    for (int i = 0; i < 10'000; ++i) {
        seen.insert(r.between(3, 7));
        heads += r.chance(1, 4);
    }
    EXPECT_EQ(seen, (std::set<std::uint64_t>{3, 4, 5, 6, 7}));
    EXPECT_NEAR(heads, 2500, 200);
    EXPECT_EQ(r.below(1), 0u);
}

/// Visits the cores, sleeps and blocks, and records what happens.
struct traveller {
    simulation& s;
    std::vector<std::string>& trace;
    int name;

    task<> travel() {
        for (int i = 0; i < 20; ++i) {
            co_await switch_to(s[s.random().below(s.group().size())]);
            note();
            if (i % 3 == 0)
                co_await sleep_for(nanoseconds(s.random().below(1'000'000)));
            if (i % 5 == 0)
                co_await run_blocking(s.group(), [] { EXPECT_EQ(reactor::current(), nullptr); });
            note();
        }
    }
    void note() {
        trace.push_back(std::to_string(name) + "@" + std::to_string(reactor::current()->index()) + "@" +
                        std::to_string(s.time().now()));
    }
};

struct outcome {
    std::vector<std::string> trace;
    std::uint64_t fingerprint;
};

outcome simulate(std::uint64_t seed) {
    outcome o;
    simulation s(seed, 3);
    std::vector<traveller> travellers;
    for (int i = 0; i < 4; ++i)
        travellers.push_back({s, o.trace, i});
    for (auto& t : travellers)
        s[0].execute([&t] { detach(t.travel()); });
    EXPECT_TRUE(s.run_until_idle());
    o.fingerprint = s.fingerprint();
    return o;
}

TEST(simulation, the_same_seed_gives_the_same_run) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto a = simulate(seed);
        const auto b = simulate(seed);
        EXPECT_EQ(a.trace, b.trace);
        EXPECT_EQ(a.fingerprint, b.fingerprint);
        EXPECT_EQ(a.trace.size(), 160u);
    }
}

TEST(simulation, different_seeds_give_different_runs) {
    std::set<std::uint64_t> fingerprints;
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        fingerprints.insert(simulate(seed).fingerprint);
    EXPECT_EQ(fingerprints.size(), 20u);
}

TEST(simulation, both_orders_of_two_independent_messages_occur_alike) {
    int first_core_first = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        simulation s(seed, 2);
        std::string order;
        s[0].execute([&] { order += 'a'; });
        s[1].execute([&] { order += 'b'; });
        EXPECT_TRUE(s.run_until_idle());
        first_core_first += order == "ab";
    }
    EXPECT_NEAR(first_core_first, 100, 35);
}

TEST(simulation, one_core_may_get_far_ahead_of_another) {
    // Both count from 0 to 300, a turn each. Fair dice alone would keep them within some dozens of each
    // other.
    std::uint64_t widest = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        simulation s(seed, 2);
        std::uint64_t at[2] = {0, 0};
        for (int i = 0; i < 2; ++i) {
            s[static_cast<std::size_t>(i)].execute([&, i] {
                detach([](std::uint64_t& mine, std::uint64_t& other, std::uint64_t& widest) -> task<> {
                    for (; mine < 300; ++mine) {
                        widest = std::max(widest, mine - std::min(mine, other));
                        co_await yield();
                    }
                }(at[i], at[1 - i], widest));
            });
        }
        EXPECT_TRUE(s.run_until_idle());
    }
    EXPECT_GT(widest, 150u);
}

TEST(simulation, time_skips_idle_periods) {
    simulation s(1, 2);
    bool fired = false;
    timer t(s[1], [&] { fired = true; });
    t.arm_after(24h);
    EXPECT_TRUE(s.run_until([&] { return fired; }));
    EXPECT_GE(s.time().now(), s.time().to_ticks(24h));
    EXPECT_LT(s.time().now(), s.time().to_ticks(24h + 10ms));
    EXPECT_LT(s.steps(), 100u);
}

TEST(simulation, a_poller_with_something_pending_gets_turns_until_it_has_not) {
    struct counting : poller {
        unsigned poll(unsigned) noexcept override { return pending ? (--pending, 1) : 0; }
        bool arm() noexcept override { return pending == 0; }
        unsigned pending = 30;
    };
    simulation s(1, 2);
    counting p;
    poller_registration registration(s[1], "counting", p);
    EXPECT_TRUE(s.run_until_idle());
    EXPECT_EQ(p.pending, 0u);
    EXPECT_FALSE(s.step());
}

TEST(simulation, reports_that_it_never_becomes_idle) {
    simulation s(1);
    EXPECT_FALSE(s.run_until([] { return false; })) << "idle for ever";
    timer t(s[0], [] {});
    t.arm_every(1ms);
    EXPECT_FALSE(s.run_until([] { return false; }, 1000)) << "busy for ever";
    EXPECT_FALSE(s.run_until_idle(1000));
}

TEST(simulation, runs_for_a_time) {
    simulation s(3);
    int fired = 0;
    timer t(s[0], [&] { ++fired; });
    t.arm_every(100ms);
    const ticks begin = s.time().now();
    s.run_for(1050ms);
    EXPECT_EQ(fired, 10);
    EXPECT_LT(s.time().now() - begin, s.time().to_ticks(1060ms));
    t.cancel();
    const ticks idle = s.time().now();
    s.run_for(1h);
    EXPECT_EQ(s.time().now() - idle, s.time().to_ticks(1h));
}

TEST(simulation, blocking_work_delays_no_reactor_and_ends_in_any_order) {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        simulation s(seed, 1);
        std::string order;
        for (const char name : {'a', 'b'})
            s.group().blocking().submit([&order, name] { order += name; });
        EXPECT_TRUE(s.run_until_idle());
        orders.insert(order);
    }
    EXPECT_EQ(orders, (std::set<std::string>{"ab", "ba"}));
}

}  // namespace
}  // namespace causeway::core
