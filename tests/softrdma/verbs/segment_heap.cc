// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/segment_heap.h"

#include <sys/mman.h>

namespace softrdma {

offset segment_heap::allocate(std::uint64_t bytes) {
    const std::uint64_t size = pages(bytes);
    std::lock_guard hold(mutex_);
    if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
        const offset place = it->second.back();
        it->second.pop_back();
        return place;
    }
    if (size > segment_.size - next_)
        return 0;
    const offset place = next_;
    next_ += size;
    return place;
}

void segment_heap::release(offset place, std::uint64_t bytes) {
    if (!place)
        return;
    const std::uint64_t size = pages(bytes);
    ::madvise(segment_.at<void*>(place), size, MADV_REMOVE);
    std::lock_guard hold(mutex_);
    free_[size].push_back(place);
}

}  // namespace softrdma
