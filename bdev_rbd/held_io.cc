// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/held_io.h"

#include <algorithm>
#include <utility>

namespace causeway::bdev_rbd {

held_io::held_io(core::reactor& home) : home_(home), limit_(home, [this] { end_overdue(); }) {}

void held_io::add(bdev::io& i) noexcept {
    i.next = nullptr;
    (last_ ? last_->next : first_) = &i;
    last_ = &i;
    if (++size_ == 1)
        wait_for_first();
}

bdev::io* held_io::take() noexcept {
    limit_.cancel();
    size_ = 0;
    last_ = nullptr;
    return std::exchange(first_, nullptr);
}

bdev::io* held_io::pop() noexcept {
    bdev::io* const i = std::exchange(first_, first_->next);
    if (!first_)
        last_ = nullptr;
    --size_;
    return i;
}

core::nanoseconds held_io::waited(const bdev::io& i) const noexcept {
    // All reactors have the same clock: `started` was read on the one that issued the I/O, maybe a few ticks ahead.
    const core::ticks now = home_.time().now();
    return now < i.started ? core::nanoseconds(0) : home_.time().to_nanoseconds(now - i.started);
}

void held_io::wait_for_first() noexcept {
    limit_.arm_after(std::max(max_wait - waited(*first_), core::nanoseconds(1)));
}

void held_io::end_overdue() noexcept {
    while (first_ && waited(*first_) >= max_wait)
        pop()->complete_from_anywhere(nvme::sc::internal_path_error);
    if (first_)
        wait_for_first();
}

}  // namespace causeway::bdev_rbd
