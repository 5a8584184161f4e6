// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace causeway::core {

/// A number that one core counts and any thread may read. No locked instruction.
class counter {
  public:
    void add(std::uint64_t n = 1) noexcept { set(get() + n); }
    void sub(std::uint64_t n = 1) noexcept { set(get() - n); }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

    void raise_to(std::uint64_t n) noexcept {
        if (n > get())
            set(n);
    }
    void lower_to(std::uint64_t n) noexcept {
        if (n < get())
            set(n);
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace causeway::core
