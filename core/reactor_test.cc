// SPDX-License-Identifier: Apache-2.0
#include "core/reactor.h"

#include "core/reactor_group.h"
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"

#include <deque>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using test::eventually;

/// Records the calls that it gets.
struct noting_poller : poller {
    noting_poller(std::string& log, char name) : log(log), name(name) {}
    unsigned poll(unsigned budget) noexcept override {
        log += name;
        last_budget = budget;
        if (on_poll)
            on_poll();
        return std::exchange(events, 0u);
    }
    void flush() noexcept override {
        log += static_cast<char>(std::toupper(name));
        if (on_flush)
            on_flush();
    }
    bool arm() noexcept override {
        arms += agrees;
        return agrees;
    }
    void disarm() noexcept override { ++disarms; }

    std::string& log;
    char name;
    std::function<void()> on_poll;
    std::function<void()> on_flush;
    unsigned events = 0;
    unsigned last_budget = 0;
    bool agrees = true;
    int arms = 0;
    int disarms = 0;
};

struct reactor_turns : ::testing::Test {
    test::manual_reactors reactors{1, {.poll_budget = 17}};
    reactor& r = reactors[0];
    std::string log;
    noting_poller a{log, 'a'}, b{log, 'b'}, c{log, 'c'};

    std::string turn() {
        log.clear();
        r.turn();
        return log;
    }
};

TEST_F(reactor_turns, flush_follows_all_polls) {
    poller_registration ra(r, "a", a), rb(r, "b", b), rc(r, "c", c);
    EXPECT_EQ(turn(), "abcABC");
    EXPECT_EQ(a.last_budget, 17u);
    rb.reset();
    EXPECT_EQ(turn(), "acAC");
}

TEST_F(reactor_turns, messages_come_before_timers_and_timers_before_pollers) {
    poller_registration ra(r, "a", a);
    timer t(r, [this] { log += 't'; });
    t.arm_after(0ns);
    r.execute([this] { log += 'm'; });
    EXPECT_EQ(turn(), "mtaA");
}

/// Notes its letter in the log; costs so much.
struct noted : background_message {
    noted(std::string& log, char name, unsigned cost = 0)
        : background_message(&take), log(log), name(name), cost(cost) {}
    static void take(message& m) noexcept {
        auto& self = static_cast<noted&>(m);
        self.log += self.name;
        reactor::current()->spend(self.cost);
    }
    std::string& log;
    char name;
    unsigned cost;
};

TEST_F(reactor_turns, pollers_run_between_any_number_of_messages) {
    test::manual_reactors few{1, {.message_budget = 2}};
    poller_registration ra(few[0], "a", a);
    std::deque<noted> mail;
    for (const char name : {'1', '2', '3', '4', '5'})
        few[0].post(mail.emplace_back(log, name));
    while (few[0].turn())
        EXPECT_EQ(few[0].idle(), log.find('5') != std::string::npos);
    EXPECT_EQ(log, "12aA34aA5aAaA");
}

TEST_F(reactor_turns, control_work_follows_messages_and_has_a_budget_per_turn) {
    test::manual_reactors few{1, {.background_budget = 10}};
    std::deque<noted> work, mail;
    for (const char name : {'1', '2', '3', '4', '5'})
        few[0].post_background(work.emplace_back(log, name, name == '4' ? 1000 : 4));
    std::vector<std::string> turns;
    for (const char name : {'m', 'n', 'o', 'p'}) {
        few[0].post(mail.emplace_back(log, name));
        log.clear();
        few[0].turn();
        turns.push_back(log);
    }
    EXPECT_EQ(turns, (std::vector<std::string>{"m12", "n34", "o5", "p"}));
    EXPECT_TRUE(few[0].idle());
}

TEST_F(reactor_turns, current_is_set_for_the_turn_only) {
    reactor* in_poll = nullptr;
    poller_registration ra(r, "a", a);
    a.on_poll = [&] { in_poll = reactor::current(); };
    EXPECT_EQ(reactor::current(), nullptr);
    r.turn();
    EXPECT_EQ(in_poll, &r);
    EXPECT_EQ(reactor::current(), nullptr);
}

/// Which poller, while it is polled or flushed, removes which; what the turn then looks like, and the next
/// one.
struct removal {
    const char* sentence;
    char when;  ///< the poller that acts; a capital: when it is flushed
    char what;  ///< the poller that is removed
    const char* this_turn;
    const char* next_turn;
};

const removal removals[] = {
    {"the first removes itself", 'a', 'a', "abcBC", "bcBC"},
    {"the middle one removes itself", 'b', 'b', "abcAC", "acAC"},
    {"the last removes itself", 'c', 'c', "abcAB", "abAB"},
    {"the first removes the next", 'a', 'b', "acAC", "acAC"},
    {"the last removes the first", 'c', 'a', "abcBC", "bcBC"},
    {"the middle one removes the first", 'b', 'a', "abcBC", "bcBC"},
    {"the first removes itself at flush", 'A', 'a', "abcABC", "bcBC"},
    {"the last removes itself at flush", 'C', 'c', "abcABC", "abAB"},
    {"the first removes the next at flush", 'A', 'b', "abcAC", "acAC"},
    {"the last removes the first at flush", 'C', 'a', "abcABC", "bcBC"},
};

TEST_F(reactor_turns, a_poller_may_leave_in_the_middle_of_a_turn) {
    for (const auto& row : removals) {
        std::optional<noting_poller> p[3];  // destroyed for real: AddressSanitizer finds any later access
        poller_registration registered[3];
        for (int i = 0; i < 3; ++i) {
            p[i].emplace(log, static_cast<char>('a' + i));
            registered[i] = poller_registration(r, "p", *p[i]);
        }
        const auto remove = [&] { registered[row.what - 'a'].reset(); };
        if (row.when >= 'a')
            p[row.when - 'a']->on_poll = remove;
        else
            p[row.when - 'A']->on_flush = remove;
        EXPECT_EQ(turn(), row.this_turn) << row.sentence;
        for (auto& one : p)
            one->on_poll = one->on_flush = nullptr;
        EXPECT_EQ(turn(), row.next_turn) << row.sentence;
    }
    EXPECT_TRUE(r.pollers().empty());
}

TEST_F(reactor_turns, a_poller_may_destroy_itself) {
    struct suicidal : noting_poller {
        using noting_poller::noting_poller;
        poller_registration registration;
    };
    auto* s = new suicidal(log, 's');
    s->registration = poller_registration(r, "s", *s);
    poller_registration ra(r, "a", a);
    s->on_poll = [s] { s->registration.reset(); };
    EXPECT_EQ(turn(), "saA");
    delete s;
}

TEST_F(reactor_turns, a_poller_may_join_in_the_middle_of_a_turn) {
    poller_registration ra(r, "a", a);
    std::vector<std::unique_ptr<noting_poller>> more;
    std::vector<poller_registration> registered;
    a.on_poll = [&] {  // enough to move the vector that is being gone through
        for (char name : std::string("bcdefghijk")) {
            more.push_back(std::make_unique<noting_poller>(log, name));
            registered.emplace_back(r, "more", *more.back());
        }
        a.on_poll = nullptr;
    };
    EXPECT_EQ(turn().substr(0, 1), "a");
    EXPECT_EQ(turn(), "abcdefghijkABCDEFGHIJK");
}

TEST_F(reactor_turns, time_counts_as_busy_if_something_was_handled) {
    poller_registration ra(r, "a", a);
    const auto busy = [&] { return r.stats().busy_ticks.get(); };
    const auto idle = [&] { return r.stats().idle_ticks.get(); };
    const auto spend = [&](ticks t) { reactors.clock.advance_to(reactors.clock.now() + t); };
    a.on_poll = [&] { spend(30); };
    r.turn();
    EXPECT_EQ(busy(), 0u);
    EXPECT_EQ(idle(), 30u);
    a.events = 2;
    EXPECT_EQ(r.turn(), 2u);
    EXPECT_EQ(busy(), 30u);
    EXPECT_EQ(idle(), 30u);
    r.execute([&] { spend(1000); });
    a.events = 1;
    EXPECT_EQ(r.turn(), 2u);
    EXPECT_EQ(busy(), 1060u);
    EXPECT_EQ(r.stats().turns.get(), 3u);
    EXPECT_EQ(r.stats().messages.get(), 1u);

    const auto pollers = r.pollers();
    ASSERT_EQ(pollers.size(), 1u);
    EXPECT_EQ(pollers[0].name, "a");
    EXPECT_EQ(pollers[0].runs, 3u);
    EXPECT_EQ(pollers[0].busy_runs, 2u);
    EXPECT_EQ(pollers[0].busy_ticks, 60u) << "time of the mailbox is not the poller's";
}

TEST_F(reactor_turns, idle_checks_messages_timers_and_pollers) {
    poller_registration ra(r, "a", a), rb(r, "b", b);
    EXPECT_TRUE(r.idle());
    r.execute([] {});
    EXPECT_FALSE(r.idle());
    r.turn();
    timer t(r, [] {});
    t.arm_after(1ns);
    EXPECT_TRUE(r.idle());
    reactors.clock.advance_to(reactors.clock.now() + 1);
    EXPECT_FALSE(r.idle());
    t.cancel();
    b.agrees = false;
    EXPECT_FALSE(r.idle());
    EXPECT_EQ(a.arms, a.disarms);
    EXPECT_EQ(b.disarms, b.arms) << "a poller that refused is not disarmed";
}

// On threads, in real time.

struct reactor_threads : ::testing::Test {
    tsc_clock clock;
    test::inline_executor blocking;
    std::string log;

    std::unique_ptr<reactor_group> make(std::size_t n, reactor_options options = {.busy_poll_window = 0ns}) {
        return std::make_unique<reactor_group>(std::vector<unsigned>(n, 0), clock, blocking, options);
    }
    static bool asleep_since(const reactor& r, std::uint64_t sleeps) {
        return eventually([&] { return r.stats().sleeps.get() > sleeps; });
    }
};

TEST_F(reactor_threads, a_foreign_post_wakes_a_sleeper) {
    const auto group = make(1);
    thread_runner runner(*group);
    reactor& r = (*group)[0];
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(asleep_since(r, static_cast<std::uint64_t>(i)));
        EXPECT_EQ(thread_runner::call(r, [&] { return reactor::current(); }), &r);
    }
    EXPECT_NE(r.thread_id(), 0);
}

TEST_F(reactor_threads, control_work_wakes_a_sleeper_and_keeps_it_awake_until_it_is_done) {
    const auto group = make(1, {.busy_poll_window = 0ns, .message_budget = 2, .background_budget = 2});
    reactor& r = (*group)[0];
    struct counted : background_message {
        explicit counted(std::atomic<int>& n) : background_message(&take), n(n) {}
        static void take(message& m) noexcept { ++static_cast<counted&>(m).n; }
        std::atomic<int>& n;
    };
    std::atomic<int> taken{0};
    std::deque<counted> work;
    for (int i = 0; i < 20; ++i)
        work.emplace_back(taken);
    thread_runner runner(*group);
    for (int round = 1; round <= 20; ++round) {
        ASSERT_TRUE(asleep_since(r, static_cast<std::uint64_t>(round - 1)));
        for (std::size_t i = 0; i < work.size(); ++i)
            i % 2 ? r.post(work[i]) : r.post_background(work[i]);
        ASSERT_TRUE(eventually([&] { return taken == 20 * round; }));
    }
}

TEST_F(reactor_threads, everything_posted_before_the_end_runs) {
    const auto group = make(1, {.message_budget = 3, .background_budget = 3});
    reactor& r = (*group)[0];
    std::deque<noted> work;
    for (int i = 0; i < 100; ++i)
        i % 2 ? r.post(work.emplace_back(log, 'm')) : r.post_background(work.emplace_back(log, 'b'));
    r.stop();
    thread_runner(*group).stop();
    EXPECT_EQ(log.size(), 100u);
}

TEST_F(reactor_threads, a_sleeper_uses_no_cpu_and_says_how_long_it_slept) {
    const auto group = make(1, {});
    thread_runner runner(*group);
    reactor& r = (*group)[0];
    ASSERT_TRUE(asleep_since(r, 0));
    const auto turns = r.stats().turns.get();
    std::this_thread::sleep_for(50ms);
    EXPECT_LE(r.stats().turns.get(), turns + 1);
    thread_runner::call(r, [] {});
    EXPECT_TRUE(eventually([&] { return clock.to_nanoseconds(r.stats().sleep_ticks.get()) >= 50ms; }));
    EXPECT_GE(r.stats().idle_ticks.get(), r.stats().sleep_ticks.get());
}

TEST_F(reactor_threads, a_descriptor_wakes_a_sleeper) {
    const auto group = make(1);
    const int fd = ::eventfd(0, EFD_NONBLOCK);
    std::atomic<int> calls{0};
    std::optional<fd_watch> watch;
    watch.emplace((*group)[0], fd, EPOLLIN, [&](std::uint32_t events) {
        std::uint64_t n;
        EXPECT_TRUE(events & EPOLLIN);
        EXPECT_EQ(::read(fd, &n, sizeof n), static_cast<ssize_t>(sizeof n));
        ++calls;
    });
    thread_runner runner(*group);
    for (int i = 1; i <= 20; ++i) {
        ASSERT_TRUE(asleep_since((*group)[0], static_cast<std::uint64_t>(i - 1)));
        const std::uint64_t one = 1;
        ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
        ASSERT_TRUE(eventually([&] { return calls == i; }));
    }
    runner.stop();
    watch.reset();
    ::close(fd);
}

TEST_F(reactor_threads, a_timer_wakes_a_sleeper) {
    const auto group = make(1);
    reactor& r = (*group)[0];
    std::atomic<bool> fired{false};
    std::optional<timer> t;
    t.emplace(r, [&] { fired = true; });
    thread_runner runner(*group);
    const auto begin = std::chrono::steady_clock::now();
    thread_runner::call(r, [&] { t->arm_after(20ms); });
    ASSERT_TRUE(eventually([&] { return fired.load(); }));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
    EXPECT_LE(r.stats().turns.get(), 50u) << "it did not sleep meanwhile";
    runner.stop();
}

/// Waits of whole milliseconds would let it fire once in each of them, whatever else the machine does.
TEST_F(reactor_threads, a_sleeper_wakes_for_timers_of_less_than_a_millisecond) {
    const auto group = make(1);
    reactor& r = (*group)[0];
    unsigned fired = 0;
    std::atomic<unsigned> most{0};
    std::optional<timer> fine, coarse;
    fine.emplace(r, [&] { ++fired; });
    coarse.emplace(r, [&] { most = std::max(most.load(), std::exchange(fired, 0)); });
    thread_runner runner(*group);
    thread_runner::call(r, [&] {
        fine->arm_every(100us);
        coarse->arm_every(20ms);
    });
    EXPECT_TRUE(eventually([&] { return most > 22; }));
    runner.stop();
}

TEST_F(reactor_threads, a_reactor_sleeps_only_if_all_pollers_agree) {
    const auto group = make(1);
    reactor& r = (*group)[0];
    noting_poller willing(log, 'w'), busy(log, 'b');
    busy.agrees = false;
    std::optional<poller_registration> first, second;
    first.emplace(r, "willing", willing);
    second.emplace(r, "busy", busy);
    thread_runner runner(*group);
    ASSERT_TRUE(eventually([&] { return r.stats().turns.get() > 100; }));
    EXPECT_EQ(r.stats().sleeps.get(), 0u);
    thread_runner::call(r, [&] { busy.agrees = true; });
    ASSERT_TRUE(asleep_since(r, 0));
    runner.stop();
    EXPECT_GT(willing.arms, 1);
    EXPECT_EQ(willing.arms, willing.disarms);
    EXPECT_EQ(busy.arms, busy.disarms);
    first.reset();
    second.reset();
}

TEST_F(reactor_threads, a_poller_that_joined_during_sleep_is_not_disarmed) {
    const auto group = make(1);
    reactor& r = (*group)[0];
    noting_poller p(log, 'p');
    const int fd = ::eventfd(0, EFD_NONBLOCK);
    std::optional<poller_registration> registration;
    std::optional<fd_watch> watch;
    watch.emplace(r, fd, EPOLLIN, [&](std::uint32_t) {
        registration.emplace(r, "p", p);
        watch.reset();
    });
    thread_runner runner(*group);
    ASSERT_TRUE(asleep_since(r, 0));
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    ASSERT_TRUE(asleep_since(r, 1)) << "once more, with the new poller";
    runner.stop();
    EXPECT_EQ(p.arms, p.disarms);
    registration.reset();
    ::close(fd);
}

TEST_F(reactor_threads, never_sleeps_if_told_so) {
    const auto group = make(1, {.busy_poll_window = 0ns, .never_sleep = true});
    thread_runner runner(*group);
    ASSERT_TRUE(eventually([&] { return (*group)[0].stats().turns.get() > 1000; }));
    EXPECT_EQ((*group)[0].stats().sleeps.get(), 0u);
}

TEST_F(reactor_threads, stops_asleep_awake_from_itself_and_before_it_runs) {
    for (int i = 0; i < 100; ++i) {
        const auto group = make(1, {.busy_poll_window = std::chrono::microseconds(i)});
        thread_runner runner(*group);
        if (i % 4 == 0) {
            ASSERT_TRUE(asleep_since((*group)[0], 0));
        }
        if (i % 4 == 1)
            (*group)[0].execute([] { reactor::current()->stop(); });
        if (i % 4 == 2)
            (*group)[0].stop();
        runner.stop();
    }
}

TEST_F(reactor_threads, messages_posted_before_stop_are_handled) {
    for (int i = 0; i < 50; ++i) {
        const auto group = make(1);
        bool handled = false;
        thread_runner runner(*group);
        (*group)[0].execute([&] { handled = true; });
        runner.stop();
        EXPECT_TRUE(handled);
    }
}

/// A lost wake-up between two reactors that sleep at once would end this for good.
TEST_F(reactor_threads, a_message_that_travels_between_sleepers_is_never_lost) {
    constexpr unsigned hops = 20'000;
    struct ball : message {
        ball(reactor_group& g) : message(&hop), group(g) {}
        static void hop(message& m) noexcept {
            auto& self = static_cast<ball&>(m);
            if (self.hops.fetch_add(1) + 1 < self.most)
                self.group[1 - reactor::current()->index()].post(self);
        }
        reactor_group& group;
        std::atomic<unsigned> hops{0};
        unsigned most = 20'000;
    };
    const auto group = make(2);
    ball b(*group);
    thread_runner runner(*group);
    (*group)[0].post(b);
    EXPECT_TRUE(eventually([&] { return b.hops == hops; })) << b.hops;
}

TEST_F(reactor_threads, foreign_threads_and_sleeping_reactors_lose_nothing) {
    constexpr unsigned each = 5'000;
    const auto group = make(2);
    std::atomic<unsigned> arrived{0};
    thread_runner runner(*group);
    std::vector<std::thread> senders;
    for (unsigned s = 0; s < 2; ++s) {
        senders.emplace_back([&] {
            for (unsigned i = 0; i < each; ++i)
                (*group)[i % 2].execute([&] { ++arrived; });
        });
    }
    for (auto& s : senders)
        s.join();
    EXPECT_TRUE(eventually([&] { return arrived == 2 * each; }));
}

}  // namespace
}  // namespace causeway::core
