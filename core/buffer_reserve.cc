// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_reserve.h"

namespace causeway::core {

buffer_reserve::buffer buffer_reserve::take(waiter& w) noexcept {
    if (is_short())
        make_more_();
    if (spare_.empty() || (!waiting_.empty() && served_ != &w)) {
        if (!std::exchange(w.waits, true))
            waiting_.push_back(w);
        return {};
    }
    served_ = nullptr;
    const buffer b = spare_.back();
    spare_.pop_back();
    return b;
}

void buffer_reserve::cancel(waiter& w) noexcept {
    if (std::exchange(w.waits, false))
        waiting_.remove(w);
}

/// A loop, and entered once only: who is served may give its buffer back at once.
void buffer_reserve::add(buffer b) noexcept {
    spare_.push_back(b);
    if (std::exchange(serving_, true))
        return;
    while (!spare_.empty() && !waiting_.empty()) {
        served_ = waiting_.pop_front();
        served_->waits = false;
        served_->ready(*served_);
    }
    served_ = nullptr;
    serving_ = false;
}

}  // namespace causeway::core
