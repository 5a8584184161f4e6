#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace causeway::rdma {

/// Keeps the count of a shared receive queue: every connection brings as many receives as it may have commands
/// outstanding, so one that is slow, or whose device hangs, holds its own receives and nobody else's.
///
/// A receive in a shared queue cannot be called back. What a connection leaves behind is surplus: it goes to the next
/// connection, or out of circulation one by one as receives come back.
///
/// Invariant: claimed + surplus = receives in circulation (posted, or holding a command) <= capacity.
class receive_ledger {
  public:
    explicit receive_ledger(std::uint32_t capacity) noexcept : capacity_(capacity) {}

    /// A connection comes. How many receives to post for it; nullopt: there is no room for it.
    std::optional<std::uint32_t> join(std::uint32_t depth) noexcept {
        if (depth > capacity_ - claimed_)
            return std::nullopt;
        const std::uint32_t inherited = std::min(surplus_, depth);
        surplus_ -= inherited;
        claimed_ += depth;
        return depth - inherited;
    }

    /// A connection that had joined with `depth` is gone.
    void leave(std::uint32_t depth) noexcept {
        claimed_ -= depth;
        surplus_ += depth;
    }

    /// A receive is done with. True: post it again. False: it leaves circulation.
    [[nodiscard]] bool recycle() noexcept {
        if (surplus_ == 0)
            return true;
        --surplus_;
        return false;
    }

    std::uint32_t capacity() const noexcept { return capacity_; }
    std::uint32_t claimed() const noexcept { return claimed_; }
    std::uint32_t surplus() const noexcept { return surplus_; }

  private:
    std::uint32_t capacity_;
    std::uint32_t claimed_ = 0;
    std::uint32_t surplus_ = 0;
};

}  // namespace causeway::rdma
