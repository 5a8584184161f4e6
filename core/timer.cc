#include "core/timer.h"

#include "core/reactor.h"

#include <utility>

namespace causeway::core {

void timer_queue::place(std::size_t i, timer* t) noexcept {
    heap_[i] = t;
    t->place_ = i;
}

void timer_queue::sift_up(std::size_t i) noexcept {
    timer* t = heap_[i];
    while (i > 0 && t->due_ < heap_[(i - 1) / 2]->due_) {
        place(i, heap_[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(i, t);
}

void timer_queue::sift_down(std::size_t i) noexcept {
    timer* t = heap_[i];
    for (;;) {
        std::size_t child = 2 * i + 1;
        if (child >= heap_.size())
            break;
        if (child + 1 < heap_.size() && heap_[child + 1]->due_ < heap_[child]->due_)
            ++child;
        if (t->due_ <= heap_[child]->due_)
            break;
        place(i, heap_[child]);
        i = child;
    }
    place(i, t);
}

void timer_queue::insert(timer& t) {
    heap_.push_back(&t);
    sift_up(heap_.size() - 1);
}

void timer_queue::remove(timer& t) noexcept {
    const std::size_t i = std::exchange(t.place_, timer::nowhere);
    timer* last = heap_.back();
    heap_.pop_back();
    if (last == &t)
        return;
    place(i, last);
    sift_up(i);
    sift_down(last->place_);
}

void timer::arm(nanoseconds delay, nanoseconds period) {
    cancel();
    due_ = reactor_.time().now() + reactor_.time().to_ticks(delay);
    period_ = reactor_.time().to_ticks(period);
    reactor_.timers_.insert(*this);
}

void timer::cancel() noexcept {
    if (armed())
        reactor_.timers_.remove(*this);
}

}  // namespace causeway::core
