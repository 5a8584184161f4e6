// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"

#include <algorithm>

namespace causeway::core {

/// How long an idle core continues to poll before it sleeps.
///
/// Sleeping and waking costs a few microseconds of work and of delay, so polling pays if work arrives sooner than that.
/// The recent gaps predict the next one: a core that usually waits longer than its window would poll in vain, so it
/// sleeps as soon as it has spent what a sleep costs.
class busy_poll {
  public:
    explicit busy_poll(ticks window) noexcept : window_(window), min_(window / 16) {}

    /// Work has come so long after the last.
    void worked_after(ticks gap) noexcept {
        // Bounded, so that a few quick answers outweigh a long pause.
        gap = std::min(gap, 4 * window_);
        usual_gap_ = (7 * usual_gap_ + gap) / 8;
    }

    ticks limit() const noexcept { return usual_gap_ <= window_ ? window_ : min_; }

  private:
    const ticks window_;
    const ticks min_;
    ticks usual_gap_ = 0;  ///< a moving average
};

}  // namespace causeway::core
