// SPDX-License-Identifier: Apache-2.0
#include "core/timer.h"

#include "core/reactor.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace causeway::core {

bool timer_queue::before(const timer& a, const timer& b) noexcept {
    return a.due_ != b.due_ ? a.due_ < b.due_ : a.sequence_ < b.sequence_;
}

void timer_queue::set_at(std::size_t i, timer* t) noexcept {
    heap_[i] = t;
    t->heap_index_ = i;
}

void timer_queue::sift_up(std::size_t i) noexcept {
    timer* t = heap_[i];
    while (i > 0 && before(*t, *heap_[(i - 1) / 2])) {
        set_at(i, heap_[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    set_at(i, t);
}

void timer_queue::sift_down(std::size_t i) noexcept {
    timer* t = heap_[i];
    for (;;) {
        std::size_t child = 2 * i + 1;
        if (child >= heap_.size())
            break;
        if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child]))
            ++child;
        if (before(*t, *heap_[child]))
            break;
        set_at(i, heap_[child]);
        i = child;
    }
    set_at(i, t);
}

void timer_queue::insert(timer& t) {
    t.sequence_ = inserted_++;
    heap_.push_back(&t);
    sift_up(heap_.size() - 1);
}

void timer_queue::remove(timer& t) noexcept {
    const std::size_t i = std::exchange(t.heap_index_, timer::not_armed);
    timer* last = heap_.back();
    heap_.pop_back();
    if (last == &t)
        return;
    set_at(i, last);
    sift_up(i);
    sift_down(last->heap_index_);
}

void timer::arm(nanoseconds delay, nanoseconds period) {
    cancel();
    const ticks now = reactor_.time().now();
    // "Never" may be asked for by a delay of centuries.
    due_ = now + std::min(reactor_.time().to_ticks(delay), std::numeric_limits<ticks>::max() - 1 - now);
    period_ = reactor_.time().to_ticks(period);
    reactor_.timers_.insert(*this);
}

void timer::cancel() noexcept {
    if (armed())
        reactor_.timers_.remove(*this);
}

}  // namespace causeway::core
