// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/age_limit.h"

#include <algorithm>
#include <cerrno>

namespace causeway::bdev_rbd {

age_limit::age_limit(core::reactor& home) noexcept
    : home_(home), young_ticks_(home.time().to_ticks(std::min(home.options().stall_limit, before_issue))),
      stalls_(home.stats().stalls.get()) {}

int age_limit::refusal(const bdev::io& i, core::nanoseconds limit) noexcept {
    home_.stalls();  // notices one that has only just ended
    if (home_.stats().stalls.get() != stalls_)
        record_stall();
    if (bdev::changes_content(i.operation) && i.started < resumed_at_)
        return -EINTR;
    const core::ticks age = home_.time().now() - i.started;
    return age > home_.time().to_ticks(limit) ? -ETIMEDOUT : 0;
}

void age_limit::record_stall() noexcept {
    stalls_ = home_.stats().stalls.get();
    resumed_at_ = home_.time().now();
}

}  // namespace causeway::bdev_rbd
