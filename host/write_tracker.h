// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace causeway::host {

/// Tracks which generation of data each slot of a disk must contain: the one acknowledged last or, while a write is not
/// acknowledged, that one or the new one. A slot is used by one command at a time.
class write_tracker {
  public:
    explicit write_tracker(std::uint64_t slots) : slots_(slots) {}

    std::uint64_t size() const noexcept { return slots_.size(); }

    /// Reserves a slot for one command. False: another command has it.
    bool take(std::uint64_t slot) noexcept {
        if (slots_[slot].taken)
            return false;
        return slots_[slot].taken = true;
    }
    void release(std::uint64_t slot) noexcept { slots_[slot].taken = false; }

    /// 0: the content is not known.
    std::uint32_t acknowledged(std::uint64_t slot) const noexcept { return slots_[slot].acknowledged; }
    /// The generation of a write to the slot. A write that was not acknowledged is repeated with the same generation.
    std::uint32_t begin_write(std::uint64_t slot) noexcept {
        slots_[slot].pending = true;
        return slots_[slot].acknowledged + 1;
    }
    void acknowledge(std::uint64_t slot) noexcept {
        ++slots_[slot].acknowledged;
        slots_[slot].pending = false;
    }

    /// A write has begun and has not been acknowledged: the slot may contain the next generation instead.
    bool is_pending(std::uint64_t slot) const noexcept { return slots_[slot].pending; }

  private:
    struct entry {
        std::uint32_t acknowledged = 0;
        bool pending = false;
        bool taken = false;
    };
    std::vector<entry> slots_;
};

}  // namespace causeway::host
