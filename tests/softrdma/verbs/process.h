// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/engine.h"
#include "tests/softrdma/verbs/layout.h"
#include "tests/softrdma/verbs/places.h"
#include "tests/softrdma/verbs/segment_heap.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace softrdma {

class queue_pair;
struct completion_queue;
struct srq;

/// This process' adapter: made when the first device is listed, and there until the process ends. A child of fork()
/// starts with a new one.
class process {
  public:
    static process& self();
    /// Null before the first use.
    static process* if_any() noexcept;

    segment& memory() noexcept { return *segment_; }
    segment_heap& heap() noexcept { return heap_; }
    engine& work() noexcept { return *engine_; }
    int memory_fd() const noexcept { return memory_fd_; }

    /// Where peers ask for the segment: an abstract socket.
    static std::string door(std::uint64_t instance);

    /// By place in the segment's tables; null where nothing is.
    std::array<std::atomic<queue_pair*>, max_queue_pairs> queue_pairs{};
    std::array<std::atomic<completion_queue*>, max_completion_queues> completion_queues{};
    std::array<std::atomic<srq*>, max_srqs> srqs{};

    places queue_pair_places{max_queue_pairs, 1};
    places completion_queue_places{max_completion_queues};
    places srq_places{max_srqs};
    places channel_places{max_channels};
    places region_places{max_regions, 1};

    queue_pair* find(std::uint32_t number) noexcept;

    /// Held while the engine acts on an object, and while one is removed.
    std::mutex acting;

  private:
    process(segment* memory, int memory_fd, int wake_fd);

    segment* segment_;
    int memory_fd_;
    segment_heap heap_;
    std::unique_ptr<engine> engine_;
};

}  // namespace softrdma
