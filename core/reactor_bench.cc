// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_pool.h"
#include "core/mailbox.h"
#include "core/reactor.h"
#include "core/reactor_group.h"
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"

#include <atomic>
#include <benchmark/benchmark.h>
#include <deque>
#include <memory>
#include <vector>

// What a core pays for being a core. Times of a shared machine are not to be trusted far; instructions
// repeat:
//
//   valgrind --tool=callgrind --toggle-collect='*measured*' reactor_bench --benchmark_filter='^turn/0/'
//
// and the sum, divided by the number of iterations.

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

/// By name for callgrind: all that is counted runs in here.
template <class F>
[[gnu::noinline]] void measured(F&& f) {
    f();
}

constexpr std::int64_t iterations = 200'000;

/// Sends `range` messages and takes them.
void mailbox_push_and_drain(benchmark::State& state) {
    mailbox box;
    std::deque<message> letters;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        letters.emplace_back([](message&) noexcept {});
    for (auto _ : state) {
        measured([&] {
            for (auto& l : letters)
                benchmark::DoNotOptimize(box.push(l));
            benchmark::DoNotOptimize(box.drain());
        });
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(mailbox_push_and_drain)->Name("mailbox")->Arg(1)->Arg(8)->Arg(64)->Iterations(iterations);

/// Pushes while another thread drains.
void mailbox_contended(benchmark::State& state) {
    static mailbox box;
    static std::atomic<bool> over;
    std::thread consumer;
    over = false;
    consumer = std::thread([] {
        while (!over)
            box.drain();
        box.drain();
    });
    struct letter : message {
        letter() : message([](message& m) noexcept { static_cast<letter&>(m).away = false; }) {}
        std::atomic<bool> away{false};
    };
    std::vector<letter> letters(1024);
    std::size_t next = 0;
    for (auto _ : state) {
        auto& l = letters[next++ % letters.size()];
        while (l.away)
            __builtin_ia32_pause();
        l.away = true;
        benchmark::DoNotOptimize(box.push(l));
    }
    over = true;
    consumer.join();
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(mailbox_contended)->Name("mailbox_contended")->UseRealTime();

struct idle_poller final : poller {
    unsigned poll(unsigned) noexcept override { return 0; }
};

/// For turns: the real clock, whose reading is part of what a turn costs.
struct one_reactor {
    tsc_clock clock;
    test::inline_executor blocking;
    reactor_group group{{0}, clock, blocking};
    reactor& r = group[0];
};

/// A turn that finds nothing, with `range` pollers.
void turn(benchmark::State& state) {
    one_reactor one;
    std::deque<idle_poller> pollers(static_cast<std::size_t>(state.range(0)));
    std::vector<poller_registration> registered;
    for (auto& p : pollers)
        registered.emplace_back(one.r, "idle", p);
    for (auto _ : state)
        measured([&] { benchmark::DoNotOptimize(one.r.turn()); });
}
BENCHMARK(turn)->Name("turn")->Arg(0)->Arg(1)->Arg(4)->Iterations(iterations);

/// A turn that takes one message.
void turn_with_mail(benchmark::State& state) {
    one_reactor one;
    message m([](message&) noexcept {});
    for (auto _ : state) {
        measured([&] {
            one.r.post(m);
            benchmark::DoNotOptimize(one.r.turn());
        });
    }
}
BENCHMARK(turn_with_mail)->Name("turn_with_mail")->Iterations(iterations);

/// Arms and cancels among `range` pending timers.
void timer_arm_and_cancel(benchmark::State& state) {
    one_reactor one;
    std::deque<timer> pending;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        pending.emplace_back(one.r, [] {}).arm_after(1h + i * 1us);
    timer t(one.r, [] {});
    for (auto _ : state) {
        measured([&] {
            t.arm_after(1h + 7us);
            t.cancel();
        });
    }
}
BENCHMARK(timer_arm_and_cancel)->Name("timer")->Arg(0)->Arg(1000)->Iterations(iterations);

void buffer_take_and_give_back(benchmark::State& state) {
    constexpr buffer_pool::size_class sizes[] = {{4096, 64}, {65536, 4}, {131072, 4}};
    auto pool = std::move(buffer_pool::create(sizes).value());
    buffer_claim claim;
    accounts_at_hand at_hand;
    for (auto _ : state) {
        measured([&] {
            bool taken = pool.take(claim, 4096, {1, 1}, at_hand);
            benchmark::DoNotOptimize(taken);
            pool.release(claim);
        });
    }
}
BENCHMARK(buffer_take_and_give_back)->Name("buffer")->Iterations(iterations);

/// A message to another core and back, by `range`: 1 where both sleep whenever they can, 0 where none ever
/// does.
void round_trip(benchmark::State& state) {
    tsc_clock clock;
    test::inline_executor blocking;
    const bool sleeping = state.range(0);
    reactor_group group({0, 1}, clock, blocking, {.busy_poll_window = 0ns, .never_sleep = !sleeping});
    struct ball : message {
        explicit ball(reactor_group& g) : message(&hop), group(g) {}
        static void hop(message& m) noexcept {
            auto& self = static_cast<ball&>(m);
            if (self.left.fetch_sub(1) > 1)
                self.group[1 - reactor::current()->index()].post(self);
        }
        reactor_group& group;
        std::atomic<std::int64_t> left{0};
    } b(group);
    thread_runner runner(group);
    for (auto _ : state) {
        constexpr std::int64_t hops = 2000;
        const auto begin = std::chrono::steady_clock::now();
        b.left = hops;
        group[0].post(b);
        while (b.left > 0)
            std::this_thread::sleep_for(1ms);
        const auto passed = std::chrono::steady_clock::now() - begin;
        state.SetIterationTime(std::chrono::duration<double>(passed).count() / (hops / 2));
    }
}
BENCHMARK(round_trip)->Name("round_trip")->Arg(0)->Arg(1)->UseManualTime()->Iterations(50);

}  // namespace
}  // namespace causeway::core
