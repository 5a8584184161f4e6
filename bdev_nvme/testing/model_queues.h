// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/testing/data_pointer.h"
#include "bdev_nvme/testing/faults.h"
#include "core/counter.h"
#include "nvme/command.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// Stands in the register of a queue that has a shadow doorbell: no host writes it, so any write is seen.
inline constexpr std::uint32_t untouched_doorbell = 0x8000'0000;

/// The model's side of a completion queue in the host's memory.
struct completion_queue {
    std::uint16_t qid = 0;
    std::byte* base = nullptr;
    std::uint32_t entries = 0;
    std::uint32_t head = 0;  ///< as far as the host says it has read
    std::uint32_t tail = 0;
    bool phase = true;
    std::uint32_t doorbell = 0;            ///< the register as seen last
    std::uint32_t shadow = 0;              ///< the shadow as seen last
    std::uint16_t users = 0;               ///< submission queues
    std::deque<nvme::completion> waiting;  ///< for room

    std::uint32_t unread() const noexcept { return (tail + entries - head) % entries; }
    /// As the head doorbell says. A queue holds one entry less than its size.
    bool has_room() const noexcept { return waiting.empty() && unread() + 1 < entries; }

    /// The host looks at the last dword first, so that is written last. `stale`: it has the phase of the round before.
    void write(nvme::completion c, bool stale = false) noexcept {
        c.status_word = static_cast<std::uint16_t>((c.status_word & ~1u) | (phase != stale ? 1u : 0u));
        std::byte* slot = base + std::size_t{tail} * sizeof c;
        constexpr std::size_t before = sizeof c - sizeof(std::uint32_t);
        std::memcpy(slot, &c, before);
        std::uint32_t last;
        std::memcpy(&last, reinterpret_cast<const std::byte*>(&c) + before, sizeof last);
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(slot + before)).store(last, std::memory_order_release);
        if (++tail == entries) {
            tail = 0;
            phase = !phase;
        }
    }
};

/// A command, or two that are fused, on the way through the model.
struct taken_command {
    nvme::command first;
    std::optional<nvme::command> second;
    chosen_fault what;
};

/// A command that does not end yet.
struct held_command {
    static constexpr std::uint64_t until_released = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t due;  ///< step
    taken_command command;
};

/// The model's side of a submission queue in the host's memory.
struct submission_queue {
    std::uint16_t qid = 0;
    const std::byte* base = nullptr;
    std::uint32_t entries = 0;
    std::uint32_t head = 0;
    std::uint32_t tail = 0;      ///< the last valid one that the host wrote
    std::uint32_t doorbell = 0;  ///< the register as seen last
    std::uint32_t shadow = 0;    ///< the shadow as seen last
    unsigned awake = 0;          ///< with a shadow: steps until the doorbell alone is looked at
    completion_queue* cq = nullptr;
    std::vector<held_command> held;
    chosen_fault now;  ///< of the command that is being executed
    /// Commands that a made-up completion has named. Even a device that lies leaves the memory of what it has called
    /// complete alone: nothing in a host could help otherwise.
    std::set<std::uint16_t> disowned;

    std::vector<piece> pieces, metadata;  ///< of the command that is being executed
    std::vector<std::byte> scratch;
};

/// What a queue of one identifier has done, since the model was made. Written by the thread that steps the queue, read
/// by any thread.
struct alignas(64) queue_counters {
    core::counter commands;
    core::counter completions;
    core::counter tail_moves;  ///< of the submission doorbell, in the register
    core::counter head_moves;  ///< of the completion doorbell, in the register
    std::array<core::counter, 256> by_opcode;
};

}  // namespace causeway::bdev_nvme::testing
