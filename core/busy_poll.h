#pragma once

#include "core/clock.h"

#include <algorithm>

namespace causeway::core {

/// How long a core without work goes on polling before it sleeps.
///
/// Falling asleep and being woken costs a few microseconds of work and of delay, so it pays to poll for what comes sooner.
/// What comes sooner is told by what has come: a core that usually waits longer than its window would poll in vain, and
/// sleeps as soon as it has spent what a sleep costs.
class busy_poll {
  public:
    explicit busy_poll(ticks window) noexcept : window_(window), least_(window / 16) {}

    /// Work has come so long after the last.
    void worked_after(ticks gap) noexcept {
        // Bounded, so that a few quick answers outweigh a long pause.
        gap = std::min(gap, 4 * window_);
        usual_gap_ = (7 * usual_gap_ + gap) / 8;
    }

    ticks limit() const noexcept { return usual_gap_ <= window_ ? window_ : least_; }

  private:
    const ticks window_;
    const ticks least_;
    ticks usual_gap_ = 0;  ///< a moving average
};

}  // namespace causeway::core
