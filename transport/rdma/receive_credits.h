// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace causeway::rdma {

/// Keeps the count of a shared receive queue. Every connection is promised as many receives as it may have commands
/// outstanding, so a connection that is slow, or whose disk hangs, holds only its own receives.
///
/// Promised is not posted: memory follows use. A connection claims as many as it has ever had outstanding at once, and
/// a cushion beyond all claims takes what comes at once from connections that had used fewer before. Their claims are
/// raised as it comes, and the cushion is whole again with the next posting.
///
/// A receive in a shared queue cannot be called back. What a connection leaves behind goes to the next one, or out of
/// circulation one by one as receives come back.
///
/// Invariant: claimed <= promised <= capacity, in circulation (posted, or holding a command) <= capacity.
class receive_credits {
  public:
    receive_credits(std::uint32_t capacity, std::uint32_t cushion) noexcept : capacity_(capacity), cushion_(cushion) {}

    bool has_room(std::uint32_t depth) const noexcept { return depth <= capacity_ - promised_; }
    /// A connection comes. REQUIRES: has_room(depth), claim <= depth.
    void join(std::uint32_t depth, std::uint32_t claim) noexcept {
        promised_ += depth;
        claimed_ += claim;
    }
    /// A connection has more outstanding than it ever had. REQUIRES: no more than was promised to it.
    void raise(std::uint32_t more) noexcept { claimed_ += more; }
    /// A connection, or a part of what it had, is gone.
    void leave(std::uint32_t depth, std::uint32_t claim) noexcept {
        promised_ -= depth;
        claimed_ -= claim;
    }

    /// Receives that should be in circulation.
    std::uint32_t wanted() const noexcept { return std::min(promised_, claimed_ + cushion_); }
    std::uint32_t missing() const noexcept { return wanted() > circulating_ ? wanted() - circulating_ : 0; }
    /// `n` of those that were missing are posted.
    void post(std::uint32_t n) noexcept { circulating_ += n; }
    /// A receive is done with. True: post it again. False: it leaves circulation.
    [[nodiscard]] bool recycle() noexcept {
        if (circulating_ <= wanted())
            return true;
        --circulating_;
        return false;
    }

    std::uint32_t capacity() const noexcept { return capacity_; }
    std::uint32_t cushion() const noexcept { return cushion_; }
    std::uint32_t promised() const noexcept { return promised_; }
    std::uint32_t claimed() const noexcept { return claimed_; }
    std::uint32_t circulating() const noexcept { return circulating_; }

  private:
    std::uint32_t capacity_;
    std::uint32_t cushion_;
    std::uint32_t promised_ = 0;
    std::uint32_t claimed_ = 0;
    std::uint32_t circulating_ = 0;
};

}  // namespace causeway::rdma
