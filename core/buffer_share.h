// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_pool.h"
#include "core/buffer_reserve.h"
#include "core/fifo.h"

#include <cstddef>
#include <cstdint>

namespace causeway::core {

/// What one connection has of its core's buffers: those of the pool, and one of its own, from the reserve, with which
/// it goes on when the pool has none. On the pool's core.
///
/// The own buffer is for claims whose namespace has nothing on this connection: so a namespace that hangs does not keep
/// it from the others, unless the pool had no buffer for it from the beginning.
class buffer_share {
  public:
    /// A claim on this share. Two of them may share one buffer (a fused pair: neither must wait for what the other
    /// holds).
    struct claim : buffer_claim {
        /// Called on the pool's core when a claim that waited has its buffer. Set before the first use; the rest is the
        /// share's.
        void (*granted)(claim&) noexcept = nullptr;

        /// It is the connection's own buffer.
        bool is_own() const noexcept { return (from == source::partner ? partner->from : from) == source::own; }
        bool is_waiting() const noexcept { return waiting; }
        bool has_buffer() const noexcept { return data && !waiting; }

        enum class source : std::uint8_t { none, pool, own, partner } from = source::none;
        bool waiting = false;
        std::uint32_t offset = 0;     ///< of `data` in the buffer
        std::uint64_t ns_number = 0;  ///< 0: of no namespace
        claim* partner = nullptr;     ///< that has the same buffer, or is to have it
        buffer_share* of = nullptr;
        claim* prev_in_list = nullptr;  ///< in the share's line, or among those that have a buffer
        claim* next_in_list = nullptr;
    };

    buffer_share(buffer_pool& pool, buffer_reserve& reserve) noexcept : pool_(pool), reserve_(reserve) {
        waiter_.of = this;
        waiter_.ready = [](buffer_reserve::waiter& w) noexcept { static_cast<waiter&>(w).of->pass_own_buffer_on(); };
    }
    ~buffer_share() { reserve_.cancel(waiter_); }
    buffer_share(const buffer_share&) = delete;
    buffer_share& operator=(const buffer_share&) = delete;

    /// REQUIRES: `c` has nothing and does not wait. A buffer in `c.data`; false: there is none now.
    bool take(claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of) noexcept;
    /// The same, but never the own one.
    bool take_from_pool(claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of) noexcept;
    /// REQUIRES: take() has just failed for `c`.
    void wait(claim& c) noexcept;
    /// `second` gets what lies behind the first `offset` bytes of `first`'s buffer, which goes back when both are done
    /// with it. False: `second` waits until `first` has its buffer. REQUIRES: `first` has a buffer or waits, and is not
    /// shared; there is room behind `offset` bytes.
    bool share(claim& second, claim& first, std::uint32_t offset) noexcept;
    /// Ends waiting, if it waits. REQUIRES: a claim that waits to share its buffer is cancelled as well.
    void cancel(claim& c) noexcept;
    /// Does nothing if it has none. A waiter may get it before this returns.
    void release(claim& c) noexcept;
    /// As buffer_pool::transfer_to(), for the buffer of both if it is shared; does nothing for what is not of the pool.
    void transfer_to(claim& c, buffer_user next) noexcept {
        claim& owner = c.from == claim::source::partner ? *c.partner : c;
        if (owner.from == claim::source::pool)
            pool_.transfer_to(owner, next);
    }
    /// The connection ends: it takes no own buffer any more.
    void stop() noexcept;
    /// What the device knows the own buffer by. REQUIRES: a claim has it.
    std::uint32_t own_key() const noexcept { return own_.key; }

  private:
    bool take_own(claim& c) noexcept;
    void remove_waiter(claim& c) noexcept;
    void grant(claim& c) noexcept;
    void pass_own_buffer_on() noexcept;
    bool ns_has_none_here(const claim& c) const noexcept;

    struct waiter : buffer_reserve::waiter {
        buffer_share* of = nullptr;
    };

    buffer_pool& pool_;
    buffer_reserve& reserve_;
    accounts_at_hand at_hand_;
    buffer_reserve::buffer own_;  ///< while a claim has it
    waiter waiter_;               ///< for it
    bool handing_on_ = false;
    bool stopping_ = false;
    using claims = fifo<claim, &claim::prev_in_list, &claim::next_in_list>;
    claims waiters_;  ///< that wait
    claims held_;     ///< that have a buffer of the pool, or the own one
};

}  // namespace causeway::core
