// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace causeway::core {

/// Buffers beside a pool's, for the connections of one core: each may have one as its own while the pool has none for
/// it.
///
/// They are made when few are left and then stay, and connections hand them around: so there are as many as were ever
/// in use at once, and a few. A connection that finds none waits, in order. On the pool's core.
class buffer_reserve {
  public:
    struct buffer {
        std::byte* data = nullptr;  ///< nullptr: none
        std::uint32_t key = 0;      ///< by which a device knows the memory, where there is a device
    };
    /// A connection. Embedded in what it waits with.
    struct waiter {
        void (*ready)(waiter&) noexcept = nullptr;  ///< there is one now: take() gives it, if it is still wanted
        bool waits = false;
        waiter* before = nullptr;  ///< fifo's
        waiter* after = nullptr;
    };

    /// `make_more` is called when fewer than `least` are spare. What it makes comes by add(), at once or later.
    buffer_reserve(std::size_t least, std::function<void()> make_more)
        : min_(least), make_more_(std::move(make_more)) {}
    buffer_reserve(const buffer_reserve&) = delete;
    buffer_reserve& operator=(const buffer_reserve&) = delete;

    /// None: it waits from now on, if it did not already.
    buffer take(waiter& w) noexcept;
    /// A waiter may get it before this returns.
    void release(buffer b) noexcept { add(b); }
    void cancel(waiter& w) noexcept;  ///< does nothing if it does not wait

    /// As large as the pool's largest; its memory outlives this. Whoever waits may get it before this returns.
    void add(buffer b) noexcept;
    bool is_short() const noexcept { return spare_.size() < min_; }
    std::size_t spare() const noexcept { return spare_.size(); }

  private:
    const std::size_t min_;
    const std::function<void()> make_more_;
    std::vector<buffer> spare_;
    fifo<waiter> waiting_;
    waiter* served_ = nullptr;  ///< whose turn it is, however many wait
    bool serving_ = false;
};

}  // namespace causeway::core
