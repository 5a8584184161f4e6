// SPDX-License-Identifier: Apache-2.0
#include "core/async_mutex.h"

#include "core/simulation.h"
#include "core/testing/wait_fixture.h"

#include <memory>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using test::owned_task;
using async_mutex_test = test::wait_fixture;

TEST_F(async_mutex_test, tasks_lock_one_at_a_time_in_the_order_in_which_they_came) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    EXPECT_EQ(log, "a");
    on_reactor([&] { release[1].set(); });  // b waits: its release changes nothing
    reactors.turn_after(1s);
    EXPECT_EQ(log, "a");
    on_reactor([&] { release[0].set(); });
    for (int i = 0; i < 3; ++i)
        reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.b.c");
    on_reactor([&] { release[2].set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.b.c.");
    EXPECT_FALSE(m.is_locked());
}

TEST_F(async_mutex_test, a_free_mutex_is_locked_at_once_and_may_be_unlocked_early) {
    async_mutex m;
    const auto early = [](async_mutex& m, std::string& log) -> owned_task {
        auto lock = co_await m.lock();
        log += m.is_locked() ? "held " : "?";
        lock.unlock();
        log += m.is_locked() ? "?" : "free ";
        auto again = co_await m.lock();
        lock.unlock();  // nothing
        log += m.is_locked() ? "held " : "?";
    };
    on_reactor([&] { tasks.push_back(early(m, log)); });
    EXPECT_EQ(log, "held free held ");
    EXPECT_FALSE(m.is_locked());
}

/// A third task asks for the mutex between its release and the moment when the next holder continues.
TEST_F(async_mutex_test, no_task_overtakes_the_one_that_was_handed_the_mutex) {
    async_mutex m;
    event release[3];
    lock(m, 'a', release[0]);
    lock(m, 'b', release[1]);
    on_reactor([&] { tasks.erase(tasks.begin()); });  // releases it
    reactors[0].execute([&] { tasks.push_back(log_while_locked(m, 'c', release[2], log)); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ab");
    for (auto& r : release)
        on_reactor([&] { r.set(); });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ab.c.");
}

TEST_F(async_mutex_test, a_task_destroyed_while_it_waits_is_skipped) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    on_reactor([&] {
        tasks.erase(tasks.begin() + 1);
        release[0].set();
    });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.c");
    tasks.clear();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(async_mutex_test, a_task_destroyed_after_it_was_handed_the_mutex_passes_it_on) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    reactors[0].execute([&] {
        tasks.erase(tasks.begin());  // a's frame: to b
        tasks.erase(tasks.begin());  // b's frame: to c
    });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ac");
    tasks.clear();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(async_mutex_test, the_last_holder_may_destroy_the_mutex) {
    auto m = std::make_unique<async_mutex>();
    event release;
    lock(*m, 'a', release);
    const auto destroy = [](std::unique_ptr<async_mutex>& m, std::string& log) -> owned_task {
        { auto lock = co_await m->lock(); }
        m.reset();
        log += "gone";
    };
    on_reactor([&] { tasks.push_back(destroy(m, log)); });
    on_reactor([&] { release.set(); });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.gone");
}

/// Tasks of random length, in random order: never do two hold the mutex, and in the end all have held it.
TEST(async_mutex_by_seed, a_holder_may_visit_other_reactors) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        simulation s(seed, 3);
        async_mutex m;
        gate all;
        int inside = 0, done = 0;
        const auto work = [&]() -> task<> {
            const auto under_way = all.hold();
            co_await sleep_for(nanoseconds(s.random().below(50'000)));
            auto lock = co_await m.lock();
            EXPECT_EQ(++inside, 1);
            co_await switch_to(s[s.random().below(3)]);
            co_await yield();
            co_await switch_to(s[0]);
            --inside;
            ++done;
        };
        bool closed = false;
        const auto end = [&]() -> task<> {
            co_await all.close();
            EXPECT_EQ(done, 40);
            closed = true;
        };
        s[0].execute([&] {
            for (int i = 0; i < 40; ++i)
                detach(work());
            detach(end());
        });
        EXPECT_TRUE(s.run_until_idle());
        EXPECT_TRUE(closed) << "seed " << seed;
    }
}

}  // namespace
}  // namespace causeway::core
