// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace causeway::bdev_nvme {

/// Which memory devices can access: pages of 2 MiB, in a two-level table over all user addresses. Asked on any reactor
/// for each buffer of each I/O, so it costs a few loads; changed under its owner's lock.
class dma_reach {
  public:
    static constexpr unsigned page_shift = 21;
    static constexpr std::size_t page = std::size_t{1} << page_shift;

    /// `everything`: for devices that are models in this process.
    explicit dma_reach(bool everything = false) noexcept : everything_(everything) {}
    dma_reach(const dma_reach&) = delete;
    dma_reach& operator=(const dma_reach&) = delete;
    ~dma_reach() {
        for (auto& leaf : leaves_)
            delete leaf.load(std::memory_order_relaxed);
    }

    /// True: a device may read and write all of it.
    bool covers(const void* begin, std::size_t bytes) const noexcept {
        if (everything_)
            return true;
        const auto first = reinterpret_cast<std::uintptr_t>(begin) >> page_shift;
        const auto last = (reinterpret_cast<std::uintptr_t>(begin) + bytes - 1) >> page_shift;
        for (auto p = first; p <= last; ++p)
            if (!has(p))
                return false;
        return true;
    }

    /// Pages that lie in [begin, begin + bytes) as a whole; parts of pages are left out. One thread at a time.
    void add(const void* begin, std::size_t bytes) { set(begin, bytes, true); }
    void remove(const void* begin, std::size_t bytes) { set(begin, bytes, false); }

  private:
    static constexpr unsigned leaf_bits = 13;
    static constexpr std::size_t leaf_size = std::size_t{1} << leaf_bits;
    using leaf = std::array<std::atomic<bool>, leaf_size>;

    bool has(std::uintptr_t p) const noexcept {
        const auto upper = p >> leaf_bits;
        if (upper >= leaves_.size())
            return false;
        const leaf* l = leaves_[upper].load(std::memory_order_acquire);
        return l && (*l)[p & (leaf_size - 1)].load(std::memory_order_relaxed);
    }
    void set(const void* begin, std::size_t bytes, bool reached) {
        const auto from = reinterpret_cast<std::uintptr_t>(begin);
        const auto first = (from + page - 1) >> page_shift;
        const auto end = (from + bytes) >> page_shift;
        for (auto p = first; p < end && p >> leaf_bits < leaves_.size(); ++p) {
            auto& slot = leaves_[p >> leaf_bits];
            leaf* l = slot.load(std::memory_order_relaxed);
            if (!l) {
                l = new leaf{};
                slot.store(l, std::memory_order_release);
            }
            (*l)[p & (leaf_size - 1)].store(reached, std::memory_order_relaxed);
        }
    }

    const bool everything_;
    std::array<std::atomic<leaf*>, std::size_t{1} << (47 - page_shift - leaf_bits)> leaves_{};
};

}  // namespace causeway::bdev_nvme
