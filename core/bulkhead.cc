// SPDX-License-Identifier: Apache-2.0
#include "core/bulkhead.h"

#include <deque>
#include <mutex>
#include <utility>

namespace causeway::core {

struct bulkhead::state {
    blocking_executor& threads;
    const unsigned max_running;
    std::mutex mutex;
    std::deque<std::function<void()>> queue;
    unsigned running = 0;
};

bulkhead::bulkhead(blocking_executor& threads, unsigned max_running)
    : state_(std::make_shared<state>(threads, max_running)) {}

void bulkhead::submit(std::function<void()> work) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->queue.push_back(std::move(work));
        if (state_->running == state_->max_running)
            return;
        ++state_->running;
    }
    // Without the lock, for an executor may run it on the spot.
    state_->threads.submit([s = state_] { serve(*s); });
}

void bulkhead::serve(state& s) {
    std::unique_lock lock(s.mutex);
    while (!s.queue.empty()) {
        auto work = std::move(s.queue.front());
        s.queue.pop_front();
        lock.unlock();
        work();
        work = nullptr;  // what it holds goes without the lock, too
        lock.lock();
    }
    --s.running;
}

unsigned bulkhead::max_running() const noexcept {
    return state_->max_running;
}

unsigned bulkhead::running() const {
    const std::lock_guard lock(state_->mutex);
    return state_->running;
}

std::size_t bulkhead::waiting() const {
    const std::lock_guard lock(state_->mutex);
    return state_->queue.size();
}

}  // namespace causeway::core
