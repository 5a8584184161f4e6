// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "core/timer.h"

#include <cstddef>

namespace causeway::bdev_rbd {

/// The I/Os of an image that is inaccessible for a moment, in order of arrival. Each waits for at most `max_wait` and
/// then ends with Internal Path Error, without DNR: the host tries again, here or on another path.
///
/// At once would be worse: a host without multipathing tries five times and gives up, and one with it, whose controller
/// is alive, comes back here in a busy loop.
///
/// Lives on the image's home reactor. REQUIRES: empty when destroyed.
class held_io {
  public:
    static constexpr core::nanoseconds max_wait = std::chrono::seconds(1);

    explicit held_io(core::reactor& home);

    void add(bdev::io& i) noexcept;
    /// Everything that waits, in order; `next` leads from one to the other.
    bdev::io* take() noexcept;
    std::size_t size() const noexcept { return size_; }

  private:
    core::nanoseconds waited(const bdev::io& i) const noexcept;
    void end_overdue() noexcept;
    void wait_for_first() noexcept;
    bdev::io* pop() noexcept;

    core::reactor& home_;
    core::timer limit_;
    bdev::io* first_ = nullptr;
    bdev::io* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace causeway::bdev_rbd
