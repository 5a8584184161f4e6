// SPDX-License-Identifier: Apache-2.0
#include "core/simulation.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace causeway::core {

namespace {

// One turn out of so many.
constexpr std::uint64_t turns_before_one_for_nothing = 20;

constexpr ticks never = std::numeric_limits<ticks>::max();

std::vector<unsigned> numbers_below(std::size_t n) {
    std::vector<unsigned> all(n);
    std::iota(all.begin(), all.end(), 0u);
    return all;
}

}  // namespace

simulation::simulation(std::uint64_t seed, std::size_t reactors, reactor_options options)
    : seed_(seed), random_(seed), group_(numbers_below(reactors), clock_, executor_, options),
      stalled_until_(reactors, 0) {}

void simulation::executor::submit(std::function<void()> work) {
    auto& s = simulation_;
    const ticks length = s.draw_ticks(s.pace_.min_blocking_work, s.pace_.max_blocking_work);
    s.blocking_.push_back({s.clock_.now() + length, std::move(work)});
}

ticks simulation::draw_ticks(nanoseconds least, nanoseconds most) noexcept {
    return random_.between(clock_.to_ticks(least), clock_.to_ticks(most));
}

void simulation::find_ready() {
    ready_.clear();
    for (std::size_t i = 0; i < group_.size(); ++i)
        if (!stalled(i) && !group_[i].idle())
            ready_.push_back(i);
    for (std::size_t i = 0; i < blocking_.size(); ++i)
        if (blocking_[i].due <= clock_.now())
            ready_.push_back(group_.size() + i);
}

/// REQUIRES: no reactor is ready.
ticks simulation::next_event() const noexcept {
    ticks next = never;
    for (std::size_t i = 0; i < group_.size(); ++i) {
        // A stalled reactor may have work already, or its timer comes due meanwhile.
        if (stalled(i) && !group_[i].idle())
            next = std::min(next, stalled_until_[i]);
        else if (group_[i].next_timer() != never)
            next = std::min(next, std::max(group_[i].next_timer(), stalled_until_[i]));
    }
    for (const auto& w : blocking_)
        next = std::min(next, w.due);
    return next;
}

/// Lets time jump, not beyond `limit`, until a reactor is ready. False: none is ready by then.
bool simulation::wait_for_work(ticks limit) {
    for (;;) {
        find_ready();
        if (!ready_.empty())
            return true;
        const ticks next = next_event();
        if (next == never || next > limit)
            return false;
        clock_.advance_to(next);
    }
}

std::size_t simulation::draw() {
    if (random_.chance(1, turns_before_one_for_nothing)) {
        const std::size_t anyone = random_.below(group_.size());
        if (!stalled(anyone))
            return anyone;
    }
    return ready_[random_.below(ready_.size())];
}

bool simulation::step() {
    if (!wait_for_work(never))
        return false;
    take_turn(draw());
    return true;
}

void simulation::take_turn(std::size_t who) {
    ++steps_;
    note(who);
    note(clock_.now());
    if (who < group_.size()) {
        group_[who].turn();
    } else {
        const auto it = blocking_.begin() + static_cast<std::ptrdiff_t>(who - group_.size());
        const auto run = std::move(it->run);
        blocking_.erase(it);
        run();
    }
    clock_.advance_to(clock_.now() + draw_ticks(pace_.min_turn, pace_.max_turn));
    if (who < group_.size() && pace_.turns_before_a_stall && random_.chance(1, pace_.turns_before_a_stall))
        stalled_until_[who] = clock_.now() + draw_ticks(pace_.min_stall, pace_.max_stall);
}

void simulation::note(std::uint64_t what) noexcept {
    for (int byte = 0; byte < 8; ++byte)  // FNV-1a
        fingerprint_ = (fingerprint_ ^ ((what >> (8 * byte)) & 0xff)) * 0x100000001b3;
}

bool simulation::run_until(const std::function<bool()>& done, std::uint64_t max_steps) {
    for (std::uint64_t i = 0; i < max_steps; ++i) {
        if (done())
            return true;
        if (!step())
            break;
    }
    return done();
}

bool simulation::run_until_idle(std::uint64_t max_steps) {
    for (std::uint64_t i = 0; i < max_steps; ++i)
        if (!step())
            return true;
    return false;
}

void simulation::run_for(nanoseconds d) {
    const ticks end = clock_.now() + clock_.to_ticks(d);
    while (clock_.now() < end && wait_for_work(end))
        take_turn(draw());
    clock_.advance_to(end);
}

}  // namespace causeway::core
