// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::nvmf {

/// The latest errors of one controller, for the Error Information log page. Any of the controller's cores
/// adds, without a lock and without waiting for another; the control reactor reads.
class error_log {
  public:
    static constexpr unsigned entries = 64;

    /// Any reactor. Fills in the entry's error count.
    void add(nvme::error_information_entry e) noexcept {
        const std::uint64_t count = count_.fetch_add(1, std::memory_order_relaxed) + 1;
        e.error_count = count;
        slot& s = slots_[count % entries];
        std::uint32_t version = s.version.load(std::memory_order_relaxed);
        // Odd: another core writes here right now, 64 errors behind or ahead of us. Its entry will do.
        if (version % 2 || !s.version.compare_exchange_strong(version, version + 1, std::memory_order_acquire))
            return;
        const auto words = std::bit_cast<image>(e);
        for (std::size_t i = 0; i < words.size(); ++i)
            s.words[i].store(words[i], std::memory_order_release);  // after the odd version, for a reader
        s.version.store(version + 2, std::memory_order_release);
    }

    /// How many there have been.
    std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

    /// The latest first. Returns how many it has written.
    unsigned read(std::span<nvme::error_information_entry, entries> to) const noexcept {
        unsigned found = 0;
        const std::uint64_t newest = count();
        for (std::uint64_t n = newest; n > 0 && newest - n < entries; --n)
            if (nvme::error_information_entry e; read_one(n, e))
                to[found++] = e;
        return found;
    }

  private:
    using image = std::array<std::uint64_t, sizeof(nvme::error_information_entry) / 8>;
    struct slot {
        std::atomic<std::uint32_t> version{0};  ///< odd while it is written
        std::array<std::atomic<std::uint64_t>, std::tuple_size_v<image>> words{};
    };

    bool read_one(std::uint64_t count, nvme::error_information_entry& e) const noexcept {
        const slot& s = slots_[count % entries];
        const std::uint32_t before = s.version.load(std::memory_order_acquire);
        image words;
        for (std::size_t i = 0; i < words.size(); ++i)
            words[i] = s.words[i].load(std::memory_order_acquire);  // before the second look at the version
        if (before % 2 || s.version.load(std::memory_order_relaxed) != before)
            return false;
        e = std::bit_cast<nvme::error_information_entry>(words);
        return e.error_count == count;
    }

    std::atomic<std::uint64_t> count_{0};
    std::array<slot, entries> slots_;
};

}  // namespace causeway::nvmf
