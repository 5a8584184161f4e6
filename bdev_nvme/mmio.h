// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/properties.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::bdev_nvme {

// Words that a device shares with us: registers in its BAR, and queue entries and doorbells in our memory.
//
// x86 keeps the order of stores, also between ordinary memory and registers (uncached), and that of loads: all that is
// needed is that the compiler keeps it, too, and that a word is read and written whole. So acquire and release here are
// plain moves. (A model of a device on another thread takes them at their word.)

template <class Word>
Word read_shared(const void* at) noexcept {
    return __atomic_load_n(static_cast<const volatile Word*>(at), __ATOMIC_ACQUIRE);
}

/// What was written before is visible to the device before this is.
template <class Word>
void write_shared(void* at, Word value) noexcept {
    __atomic_store_n(static_cast<volatile Word*>(at), value, __ATOMIC_RELEASE);
}

/// Exchanges a word and returns its old value; no later load is executed before it. A locked instruction.
template <class Word>
Word exchange_shared(void* at, Word value) noexcept {
    return __atomic_exchange_n(static_cast<volatile Word*>(at), value, __ATOMIC_SEQ_CST);
}

/// The registers of a controller that both we and PCIe call by the names of fabrics' properties.
class register_file {
  public:
    explicit register_file(std::span<std::byte> bar) noexcept : bar_(bar) {}

    std::uint32_t read(nvme::property p) const noexcept { return read_shared<std::uint32_t>(at(p)); }
    /// In two halves, the lower one first: not every controller takes eight bytes at once.
    std::uint64_t read_wide(nvme::property p) const noexcept {
        const std::uint64_t low = read_shared<std::uint32_t>(at(p));
        return low | std::uint64_t{read_shared<std::uint32_t>(at(p) + 4)} << 32;
    }
    void write(nvme::property p, std::uint32_t value) const noexcept { write_shared(at(p), value); }
    void write_wide(nvme::property p, std::uint64_t value) const noexcept {
        write_shared(at(p), static_cast<std::uint32_t>(value));
        write_shared(at(p) + 4, static_cast<std::uint32_t>(value >> 32));
    }

    nvme::cap cap() const noexcept { return {read_wide(nvme::property::cap)}; }
    nvme::cc cc() const noexcept { return {read(nvme::property::cc)}; }
    nvme::csts csts() const noexcept { return {read(nvme::property::csts)}; }

    std::size_t bytes() const noexcept { return bar_.size(); }
    std::byte* doorbell(std::size_t offset) const noexcept { return bar_.data() + offset; }

  private:
    std::byte* at(nvme::property p) const noexcept { return bar_.data() + static_cast<std::size_t>(p); }
    std::span<std::byte> bar_;
};

/// What every register reads when the function is not there any more.
inline constexpr std::uint32_t all_ones = 0xffffffff;

}  // namespace causeway::bdev_nvme
