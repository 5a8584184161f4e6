// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wait_queue.h"

#include <cstddef>
#include <utility>

namespace causeway::core {

/// Counts the operations that are under way, so that their end can be awaited: each holds the gate open while it runs,
/// and close() lets no other in and ends when the last one has left. All of it on one reactor.
///
/// The task that close() wakes goes on after the last holder has gone, and may destroy the gate. REQUIRES: nothing
/// holds it when it is destroyed, and no task waits.
class gate {
  public:
    /// Holds a gate for as long as it lives. Empty if the gate was closed.
    class [[nodiscard]] holder {
      public:
        holder() noexcept = default;
        holder(holder&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        holder& operator=(holder&& other) noexcept {
            std::swap(gate_, other.gate_);
            return *this;
        }
        ~holder() { release(); }

        explicit operator bool() const noexcept { return gate_ != nullptr; }
        void release() {
            if (gate* const g = std::exchange(gate_, nullptr))
                g->leave();
        }

      private:
        friend class gate;
        explicit holder(gate& g) noexcept : gate_(&g) {}
        gate* gate_ = nullptr;
    };

    gate() noexcept = default;
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() { assert(holders_ == 0); }

    bool is_closed() const noexcept { return closed_; }
    std::size_t holders() const noexcept { return holders_; }

    /// Empty: the gate is closed.
    holder hold() noexcept {
        if (closed_)
            return {};
        ++holders_;
        return holder(*this);
    }

    /// Closes the gate in this call. `co_await g.close()`: goes on when nothing holds it any more. May be called again.
    auto close() noexcept {
        closed_ = true;
        return wait_queue::wait(waiters_, holders_ == 0);
    }
    /// As close(). `co_await g.close_for(limit)`: true: nothing holds it; false: `limit` was over first.
    auto close_for(nanoseconds limit) noexcept {
        closed_ = true;
        return wait_queue::wait(waiters_, holders_ == 0, limit);
    }

  private:
    void leave() {
        if (--holders_ == 0 && closed_)
            waiters_.wake_all();
    }

    bool closed_ = false;
    std::size_t holders_ = 0;
    wait_queue waiters_;
};

}  // namespace causeway::core
