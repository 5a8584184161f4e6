// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"
#include "core/counter.h"

#include <string_view>

namespace causeway::core {

class reactor;

/// Something that a reactor polls once in each turn: a completion queue, a set of connections.
///
/// Sleeping is two-phase, so that no event falls between the last empty poll and the wait: the reactor calls
/// `arm()` on every poller and sleeps only if all agree. After the sleep, or if one refused, `disarm()` is
/// called on those that had agreed. Neither registers nor removes a poller; poll() and flush() may,
/// themselves included.
class poller {
  public:
    virtual ~poller() = default;

    /// Handles at most `budget` events and returns how many there were.
    virtual unsigned poll(unsigned budget) noexcept = 0;

    /// Runs after all pollers of a turn: what became ready in the turn is handed to the device at once (one doorbell).
    virtual void flush() noexcept {}

    /// True: nothing is pending, and whatever comes next wakes the reactor (by a file descriptor that it
    /// watches, or by its mailbox).
    virtual bool arm() noexcept { return true; }
    virtual void disarm() noexcept {}
};

/// What a poller has cost. Written by its reactor, read by any thread. On a cache line that no other core writes.
struct alignas(64) poller_statistics {
    counter runs;
    counter busy_runs;   ///< runs that found something
    counter busy_ticks;  ///< time in those
};

/// Keeps a poller on a reactor for as long as it lives. Made and destroyed on that reactor, or while it does
/// not run.
class poller_registration {
  public:
    poller_registration() noexcept = default;
    /// `name` is in static storage: it is shown in statistics.
    poller_registration(reactor& r, std::string_view name, poller& p);
    poller_registration(poller_registration&& other) noexcept;
    poller_registration& operator=(poller_registration&& other) noexcept;
    ~poller_registration();

    void reset() noexcept;

  private:
    reactor* reactor_ = nullptr;
    poller* poller_ = nullptr;
};

}  // namespace causeway::core
