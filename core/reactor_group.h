// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"

#include <functional>
#include <memory>
#include <vector>

namespace causeway::core {

/// Runs what can only block (connecting to a cluster) away from the reactors. Handed in: in production a pool
/// of plain threads, in a simulation a turn of its own in virtual time.
class blocking_executor {
  public:
    virtual ~blocking_executor() = default;
    /// Any thread. `work` runs once, on a thread that may block.
    virtual void submit(std::function<void()> work) = 0;
};

/// All reactors of a process. Outlives everything that runs on them.
///
/// The first one is also the control reactor: subsystems, devices and connections are made, listed and
/// removed there, so that control state needs no lock.
class reactor_group {
  public:
    /// One reactor for each of `cpus`.
    reactor_group(const std::vector<unsigned>& cpus, const clock& time, blocking_executor& blocking,
                  reactor_options options = {});

    std::size_t size() const noexcept { return reactors_.size(); }
    reactor& operator[](std::size_t i) const noexcept { return *reactors_[i]; }
    reactor& control() const noexcept { return *reactors_.front(); }
    const clock& time() const noexcept { return time_; }
    blocking_executor& blocking() const noexcept { return blocking_; }

    auto begin() const noexcept { return reactors_.begin(); }  ///< of std::unique_ptr<reactor>
    auto end() const noexcept { return reactors_.end(); }

  private:
    const clock& time_;
    blocking_executor& blocking_;
    std::vector<std::unique_ptr<reactor>> reactors_;
};

/// One T for each reactor, each on cache lines of its own. `local()` on a reactor; `on(i)` where T allows it,
/// as counters do.
template <class T>
class per_core {
  public:
    explicit per_core(std::size_t cores) : slots_(cores) {}

    T& local() noexcept { return slots_[reactor::current()->index()].value; }
    T& on(std::size_t core) noexcept { return slots_[core].value; }
    const T& on(std::size_t core) const noexcept { return slots_[core].value; }
    std::size_t size() const noexcept { return slots_.size(); }

  private:
    struct alignas(128) slot {  // 128: adjacent lines are fetched in pairs
        T value{};
    };
    std::vector<slot> slots_;
};

}  // namespace causeway::core
