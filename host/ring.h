// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <vector>

namespace causeway::host {

/// A queue of at most as many as it was made for. Allocates once.
template <class T>
class ring {
  public:
    explicit ring(std::size_t most) : slots_(std::bit_ceil(most)) {}

    bool empty() const noexcept { return begin_ == end_; }
    void push(const T& t) noexcept {
        assert(end_ - begin_ < slots_.size());
        slots_[end_++ & (slots_.size() - 1)] = t;
    }
    /// REQUIRES for both: not empty.
    T& front() noexcept { return slots_[begin_ & (slots_.size() - 1)]; }
    void pop() noexcept { ++begin_; }
    void clear() noexcept { begin_ = end_; }

  private:
    std::vector<T> slots_;
    std::size_t begin_ = 0, end_ = 0;
};

}  // namespace causeway::host
