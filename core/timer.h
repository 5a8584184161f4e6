// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/callback.h"
#include "core/clock.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace causeway::core {

class reactor;
class timer;

/// The pending timers of one reactor, the earliest first, and among equals the one armed first: a binary heap
/// of timers that know their place in it.
class timer_queue {
  public:
    void insert(timer& t);
    void remove(timer& t) noexcept;
    timer* earliest() const noexcept { return heap_.empty() ? nullptr : heap_.front(); }
    /// How many have ever been inserted: what is inserted later has this sequence number or a higher one.
    std::uint64_t inserted() const noexcept { return inserted_; }
    std::size_t size() const noexcept { return heap_.size(); }

  private:
    void set_at(std::size_t i, timer* t) noexcept;
    void sift_up(std::size_t i) noexcept;
    void sift_down(std::size_t i) noexcept;
    static bool before(const timer& a, const timer& b) noexcept;

    std::vector<timer*> heap_;
    std::uint64_t inserted_ = 0;
};

/// Calls a function on its reactor when a time has come, once or again and again. Armed, cancelled and
/// destroyed on that reactor, or while it does not run. The function may arm, cancel or destroy the timer.
class timer {
  public:
    using function = std::function<void()>;

    timer(reactor& r, function f) : reactor_(r), function_(std::move(f)) {}
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() { cancel(); }

    void arm_after(nanoseconds delay) { arm(delay, nanoseconds{0}); }
    void arm_every(nanoseconds period) { arm(period, period); }
    void cancel() noexcept;
    bool armed() const noexcept { return heap_index_ != not_armed; }

  private:
    friend class timer_queue;
    friend class reactor;
    static constexpr std::size_t not_armed = static_cast<std::size_t>(-1);

    void arm(nanoseconds delay, nanoseconds period);

    reactor& reactor_;
    callback<> function_;
    ticks due_ = 0;
    ticks period_ = 0;
    std::uint64_t sequence_ = 0;  ///< of its last insertion
    std::size_t heap_index_ = not_armed;
};

}  // namespace causeway::core
