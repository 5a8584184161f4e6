// SPDX-License-Identifier: Apache-2.0
#include "core/timer.h"

#include "core/random.h"
#include "core/reactor.h"
#include "core/testing/core_fixture.h"

#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

struct timer_test : ::testing::Test {
    test::manual_reactors reactors;
    reactor& r = reactors[0];
    std::vector<int> fired;

    std::function<void()> note(int n) {
        return [this, n] { fired.push_back(n); };
    }
};

TEST_F(timer_test, fires_once_when_due_and_not_before) {
    timer t(r, note(1));
    EXPECT_FALSE(t.armed());
    t.arm_after(100ns);
    EXPECT_TRUE(t.armed());
    EXPECT_EQ(r.next_timer(), reactors.clock.now() + 100);
    EXPECT_EQ(reactors.turn_after(99ns), 0u);
    EXPECT_TRUE(fired.empty());
    EXPECT_EQ(reactors.turn_after(1ns), 1u);
    EXPECT_FALSE(t.armed());
    EXPECT_EQ(reactors.turn_after(1s), 0u);
    EXPECT_EQ(fired, (std::vector{1}));
}

TEST_F(timer_test, fires_by_due_time_and_among_equals_by_arming) {
    timer a(r, note(1)), b(r, note(2)), c(r, note(3)), d(r, note(4));
    b.arm_after(50ns);
    d.arm_after(20ns);
    a.arm_after(50ns);
    c.arm_after(50ns);
    reactors.turn_after(50ns);
    EXPECT_EQ(fired, (std::vector{4, 2, 1, 3}));
}

TEST_F(timer_test, a_late_periodic_timer_does_not_catch_up) {
    timer t(r, note(1));
    t.arm_every(10ns);
    EXPECT_EQ(reactors.turn_after(1000ns), 1u);
    EXPECT_EQ(reactors.turn_after(9ns), 0u);
    EXPECT_EQ(reactors.turn_after(1ns), 1u);
    EXPECT_TRUE(t.armed());
}

TEST_F(timer_test, arming_again_replaces) {
    timer t(r, note(1));
    t.arm_after(10ns);
    t.arm_after(100ns);
    EXPECT_EQ(r.timer_count(), 1u);
    EXPECT_EQ(reactors.turn_after(50ns), 0u);
    EXPECT_EQ(reactors.turn_after(50ns), 1u);
}

TEST_F(timer_test, a_timer_without_delay_runs_once_a_turn) {
    std::optional<timer> greedy;
    greedy.emplace(r, [&] {
        fired.push_back(1);
        greedy->arm_after(0ns);
    });
    timer other(r, note(2));
    greedy->arm_after(0ns);
    other.arm_after(0ns);
    EXPECT_EQ(reactors.turn_after(0ns), 2u);
    EXPECT_EQ(fired, (std::vector{1, 2}));
    EXPECT_EQ(reactors.turn_after(0ns), 1u);
}

TEST_F(timer_test, a_function_may_destroy_its_timer) {
    // The function owns a witness: it must outlive the call, and go after it.
    auto witness = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = witness;
    std::unique_ptr<timer> t;
    for (const bool periodic : {false, true}) {
        t = std::make_unique<timer>(r, [&, witness] {
            t.reset();
            fired.push_back(*witness);
        });
        periodic ? t->arm_every(10ns) : t->arm_after(10ns);
        EXPECT_EQ(reactors.turn_after(10ns), 1u);
        EXPECT_EQ(t, nullptr);
        EXPECT_EQ(r.timer_count(), 0u);
    }
    EXPECT_EQ(fired, (std::vector{7, 7}));
    witness.reset();
    EXPECT_TRUE(watch.expired());
}

TEST_F(timer_test, a_function_may_destroy_or_cancel_others_that_are_due) {
    auto victim = std::make_unique<timer>(r, note(1));
    timer cancelled(r, note(2));
    timer killer(r, [&] {
        victim.reset();
        cancelled.cancel();
    });
    killer.arm_after(1ns);
    victim->arm_after(2ns);
    cancelled.arm_after(3ns);
    EXPECT_EQ(reactors.turn_after(10ns), 1u);
    EXPECT_TRUE(fired.empty());
}

TEST_F(timer_test, a_periodic_function_may_stop_itself_or_choose_another_time) {
    std::optional<timer> t;
    t.emplace(r, [&] {
        fired.push_back(static_cast<int>(fired.size()));
        if (fired.size() == 2)
            t->arm_after(500ns);
        if (fired.size() == 3)
            t->cancel();
    });
    t->arm_every(10ns);
    for (const auto after : {10ns, 10ns, 10ns, 480ns, 10ns})
        reactors.turn_after(after);
    EXPECT_EQ(fired.size(), 3u);
    EXPECT_FALSE(t->armed());
}

TEST_F(timer_test, a_negative_delay_counts_as_zero) {
    timer t(r, note(1));
    t.arm_after(-5s);
    EXPECT_EQ(reactors.turn_after(0s), 1u);
}

TEST(timer, a_delay_beyond_all_ticks_never_comes) {
    struct fast_clock final : clock {  // its ticks end before the nanoseconds do
        ticks now() const noexcept override { return at; }
        ticks per_second() const noexcept override { return 4'000'000'000; }
        ticks at = 1'000'000;
    } clock;
    test::inline_executor blocking;
    reactor_group group({0}, clock, blocking);
    bool fired = false;
    timer t(group[0], [&] { fired = true; });
    t.arm_after(nanoseconds::max());
    EXPECT_EQ(group[0].turn(), 0u);
    EXPECT_EQ(group[0].next_timer(), std::numeric_limits<ticks>::max() - 1);
    EXPECT_FALSE(fired);
}

/// The specification of the queue, as plain as possible.
class model {
  public:
    void arm(int who, ticks due) { pending_[who] = {due, ++sequence_}; }
    void cancel(int who) { pending_.erase(who); }
    bool armed(int who) const { return pending_.contains(who); }
    std::size_t size() const { return pending_.size(); }
    std::vector<int> fire(ticks now) {
        std::map<std::pair<ticks, std::uint64_t>, int> due;
        for (const auto& [who, when] : pending_)
            if (when.first <= now)
                due[when] = who;
        std::vector<int> order;
        for (const auto& [when, who] : due) {
            order.push_back(who);
            cancel(who);
        }
        return order;
    }

  private:
    std::map<int, std::pair<ticks, std::uint64_t>> pending_;
    std::uint64_t sequence_ = 0;
};

TEST_F(timer_test, agrees_with_a_model) {
    constexpr int count = 40;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        random_source random(seed);
        model expected;
        std::vector<std::unique_ptr<timer>> timers;
        const auto make = [&](int i) { return std::make_unique<timer>(r, note(i)); };
        for (int i = 0; i < count; ++i)
            timers.push_back(make(i));
        for (int step = 0; step < 3000; ++step) {
            const auto i = static_cast<int>(random.below(count));
            switch (random.below(6)) {
            case 0:
            case 1:
            case 2: {
                const auto delay = random.below(60);
                timers[static_cast<std::size_t>(i)]->arm_after(nanoseconds(delay));
                expected.arm(i, reactors.clock.now() + delay);
                break;
            }
            case 3:
                timers[static_cast<std::size_t>(i)]->cancel();
                expected.cancel(i);
                break;
            case 4:
                timers[static_cast<std::size_t>(i)] = make(i);  // destroys the old one, armed or not
                expected.cancel(i);
                break;
            default:
                fired.clear();
                reactors.turn_after(nanoseconds(random.below(20)));
                ASSERT_EQ(fired, expected.fire(reactors.clock.now())) << "seed " << seed << " step " << step;
            }
            ASSERT_EQ(r.timer_count(), expected.size()) << "seed " << seed << " step " << step;
            ASSERT_EQ(timers[static_cast<std::size_t>(i)]->armed(), expected.armed(i));
        }
    }
}

}  // namespace
}  // namespace causeway::core
