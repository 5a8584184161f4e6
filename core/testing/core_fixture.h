// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"
#include "core/reactor_group.h"

#include <chrono>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

/// What unit tests of this folder, and of those above it, share. Not part of the gateway.
namespace causeway::core::test {

/// For tests without blocking work: runs it on the spot.
class inline_executor final : public blocking_executor {
  public:
    void submit(std::function<void()> work) override { work(); }
};

/// Reactors whose turns and whose time the test decides.
struct manual_reactors {
    explicit manual_reactors(std::size_t n = 1, reactor_options options = {})
        : group(numbers_below(n), clock, blocking, options) {}

    reactor& operator[](std::size_t i) noexcept { return group[i]; }
    /// One turn of the first reactor, after `d`.
    unsigned turn_after(nanoseconds d) noexcept {
        clock.advance_to(clock.now() + clock.to_ticks(d));
        return group[0].turn();
    }

    virtual_clock clock;
    inline_executor blocking;
    reactor_group group;

  private:
    static std::vector<unsigned> numbers_below(std::size_t n) {
        std::vector<unsigned> all(n);
        std::iota(all.begin(), all.end(), 0u);
        return all;
    }
};

/// Waits, in real time and on no reactor, for what other threads bring about. False: not within half a
/// minute.
template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

}  // namespace causeway::core::test
