#pragma once

#include "core/counter.h"
#include "core/dma_memory.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace causeway::core {

/// Buffers of a few sizes cut from one region, for one core. Taking and giving back is a few instructions;
/// who finds none waits in line and is served in order, so that no request starves.
class buffer_pool {
  public:
    struct size_class {
        std::uint32_t bytes;  ///< of each buffer; classes in ascending order
        std::uint32_t count;
    };

    /// Somebody in line. Lives in the request that waits.
    struct waiter {
        void (*ready)(waiter&, std::byte* buffer) noexcept = nullptr;  ///< called on the pool's core
        std::uint32_t bytes = 0;
        waiter* next = nullptr;
        waiter** place = nullptr;  ///< what points at this one; nullptr: not in line
    };

    /// Control path. One to four classes. Errors: EINVAL, ENOMEM.
    static result<buffer_pool> create(std::span<const size_class> classes);
    /// REQUIRES: nobody in line, neither here nor there.
    buffer_pool(buffer_pool&& other) noexcept;
    buffer_pool& operator=(buffer_pool&& other) noexcept;

    /// The whole region, to be registered with a device.
    std::span<std::byte> memory() const noexcept { return memory_.bytes(); }
    std::uint32_t largest() const noexcept { return classes_[count_ - 1].bytes; }

    /// REQUIRES: bytes <= largest(). A buffer of at least `bytes`; nullptr if there is none, or others wait
    /// for that size.
    std::byte* take(std::uint32_t bytes) noexcept;
    /// `bytes` as given to take(). Goes to the first in line, if there is one, before this returns.
    void give_back(std::byte* buffer, std::uint32_t bytes) noexcept;

    /// REQUIRES: take(bytes) has just returned nullptr; `w.ready` is set; `w` is not in line.
    void wait(waiter& w, std::uint32_t bytes) noexcept;
    void cancel(waiter& w) noexcept;  ///< takes `w` out of line, if it is in it

    std::uint64_t waits() const noexcept { return waits_.get(); }

  private:
    static constexpr std::size_t most_classes = 4;
    struct stock {
        std::uint32_t bytes = 0;
        std::vector<std::byte*> free;  ///< of which the first `left` are there; never grows
        std::size_t left = 0;
        waiter* first = nullptr;
        waiter** last = nullptr;  ///< nullptr while nobody waits
        bool serving = false;     ///< buffers are being handed to those in line
    };
    buffer_pool() noexcept = default;
    stock& of(std::uint32_t bytes) noexcept;
    static void serve_line(stock& s) noexcept;

    dma_memory memory_;
    std::array<stock, most_classes> classes_;
    std::size_t count_ = 0;
    counter waits_;
};

}  // namespace causeway::core
