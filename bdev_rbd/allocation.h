// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_rbd/image.h"
#include "core/condition_variable.h"
#include "core/task.h"
#include "core/timer.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace causeway::bdev_rbd {

/// How much of an image is allocated, as its object map said last: objects, each counted whole. It is counted again
/// when somebody asks, and every minute while the image is written to.
///
/// Counting waits for the cluster, so nobody waits for the count: whoever asks gets the last one. The images of a
/// cluster are counted one after the other, so that those of an OSD that hangs take one thread and not all.
///
/// Control reactor. REQUIRES: stop() has ended before the image or this is destroyed.
class allocation {
  public:
    static constexpr core::nanoseconds min_age = std::chrono::seconds(1);  ///< of a count, before the next begins
    static constexpr core::nanoseconds period = std::chrono::minutes(1);

    /// `due()` is called when it is time for refresh().
    allocation(core::reactor& control, std::function<void()> due);

    static constexpr std::uint64_t unknown = ~0ull;  ///< all may be allocated

    /// As counted last. No less than what hosts had written and not deallocated when that began.
    std::uint64_t bytes() const noexcept { return bytes_; }
    /// Any thread: content has changed.
    void record_change() noexcept {
        if (!changed_.load(std::memory_order_relaxed))
            changed_.store(true, std::memory_order_relaxed);
    }
    /// From now on it is counted again from time to time.
    void follow() { timer_.arm_every(period); }
    /// No longer.
    void unfollow() noexcept { timer_.cancel(); }
    /// Begins to count, unless the last count is younger than min_age or another one is under way.
    void refresh(image& i);
    /// Ends when the image is not used any more. A count that has not begun does not begin.
    core::task<> stop();

  private:
    enum class phase : std::uint8_t { waiting, counting, cancelled };
    struct count {
        explicit count(const image& i) noexcept : of(i) {}
        const image& of;
        std::atomic<phase> state{phase::waiting};  ///< waiting becomes one of the others, once
    };
    core::task<> run(std::shared_ptr<count> c, std::shared_ptr<ceph::cluster_threads> threads);

    std::uint64_t bytes_ = unknown;
    std::atomic<bool> changed_{false};  ///< since the last count began
    core::timer timer_;
    core::ticks counted_at_ = 0;
    bool counted_ = false;   ///< counted_at_ is valid
    bool countable_ = true;  ///< the last count has succeeded, or there was none
    std::shared_ptr<count> current_;
    core::condition_variable ended_;
};

}  // namespace causeway::bdev_rbd
