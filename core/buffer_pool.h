// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_account.h"
#include "core/counter.h"
#include "core/dma_memory.h"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace causeway::core {

/// Buffers of a few sizes cut from one region, for one core, shared so that no namespace and no host can take what
/// others need.
///
/// A buffer counts for its namespace until the disk is done with it, and for its host while the host's data is on its
/// way in either direction, because these can keep it from being released. While a buffer is free, an account that
/// holds none of its size gets it. One that holds some gets another one only if then
///
///     held * buffers <= free * free        (a host: 4 * held)
///
/// Then whatever `k` namespaces never give back, in whichever order they took it, at least buffers / (k + 1) stay for
/// the others (for k * (k + 1) <= buffers). By induction: with R left after k - 1 of them, the next one stops at the
/// latest where h = (R - h)^2 / buffers, and R >= buffers / k makes R - h >= buffers / (k + 1). One alone has three
/// eighths; a host has less, so that one that stops in the middle of its writes does not use up the share of the
/// namespace that it shares with others. (Switches with shared memory use held <= free, and rely on queues that drain
/// when others come. What a hung disk holds does not drain: each in turn would leave half of what it found.)
///
/// A claim that finds none waits in the line of the account that stands in its way, so that it stands before nobody
/// else. What comes back goes to the account that holds the least, those that hold the same in turn, and within an
/// account in order: nobody starves whose buffers come back.
///
/// While at least five sixths of a size stay free, no account can hold so many that it is refused: it holds at most
/// what is not free, a sixth, and 4 * buffers / 6 * buffers < (buffers * 5 / 6)^2. Then nobody waits either, and taking
/// and giving back is a few instructions.
class buffer_pool {
  public:
    struct size_class {
        std::uint32_t bytes;  ///< of each buffer; classes in ascending order
        std::uint32_t count;
    };

    /// Control path. One to four classes. Errors: EINVAL, ENOMEM.
    static result<buffer_pool> create(std::span<const size_class> classes);
    /// Control path. Whether so many pools of these classes could be created now. Errors: EINVAL, ENOMEM.
    static result<> check(std::span<const size_class> classes, std::size_t pools);
    /// REQUIRES: no claim waits, neither here nor there.
    buffer_pool(buffer_pool&& other) noexcept;
    buffer_pool& operator=(buffer_pool&& other) noexcept;

    /// Of so many buffers of a size: while more are free, no account can be refused one.
    static constexpr std::size_t ample(std::size_t buffers) noexcept { return (5 * buffers + 5) / 6; }

    /// The whole region, to be registered with a device.
    std::span<std::byte> memory() const noexcept { return memory_.bytes(); }
    std::uint32_t largest() const noexcept { return classes_[count_ - 1].bytes; }
    /// Free buffers for `bytes`.
    std::size_t free_buffers(std::uint32_t bytes) const noexcept { return classes_[class_of(bytes)].left; }

    /// REQUIRES: bytes <= largest(); `c` neither has a buffer nor waits. A buffer of at least `bytes` in `c.data`;
    /// false: there is none for these holders now. `at_hand` is the connection's: it outlives its claims, and its host
    /// does not change while one of a namespace has a buffer or waits.
    bool take(buffer_claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of,
              accounts_at_hand& at_hand) noexcept;
    /// REQUIRES: take() has just failed for `c`, and `c.ready` is set.
    void wait(buffer_claim& c) noexcept;
    void cancel(buffer_claim& c) noexcept;  ///< does nothing if it does not wait
    /// A waiter may get it before this returns.
    void release(buffer_claim& c) noexcept;
    /// REQUIRES: `c` has a buffer. A waiter may get one before this returns. What is of no namespace, or has become the
    /// host's, stays the host's.
    void transfer_to(buffer_claim& c, buffer_user next) noexcept {
        if (c.user != next && c.ns)
            change_user(c, next);
    }

    std::uint64_t waits() const noexcept { return waits_.get(); }  ///< claims that ever had to wait; any thread

  private:
    struct alignas(64) stock {
        std::uint32_t bytes = 0;
        bool serving = false;          ///< buffers are being handed to waiters
        std::size_t left = 0;          ///< free ones
        std::size_t ample = 0;         ///< see ample()
        std::size_t waiting = 0;       ///< claims
        std::vector<std::byte*> free;  ///< of which the first `left` are there; never grows
        account_queue waiting_ns, waiting_hosts;

        account_queue& waiting_with(const account_class& l) noexcept { return l.is_host ? waiting_hosts : waiting_ns; }
    };
    buffer_pool() = default;
    std::uint8_t class_of(std::uint32_t bytes) const noexcept;
    void look_up(const buffer_holders& h, accounts_at_hand& at_hand) noexcept;
    static bool take_scarce(stock& s, buffer_claim& c) noexcept;
    static void give_back_and_serve(stock& s, buffer_claim& c) noexcept;
    void change_user(buffer_claim& c, buffer_user next) noexcept;

    static bool may_take(const stock& s, const account_class& l) noexcept;
    static account_class* next_in_turn(const stock& s) noexcept;
    static account_class* blocking_account(const stock& s, const buffer_claim& c) noexcept;
    static void count(const buffer_claim& c, std::uint32_t more) noexcept;
    static void count_and_reorder(stock& s, const buffer_claim& c, std::uint32_t more) noexcept;
    static void count_and_reorder(stock& s, account_class& l, std::uint32_t more) noexcept;
    static void grant(stock& s, buffer_claim& c) noexcept;
    static void count_users(const buffer_claim& c, std::uint32_t more) noexcept;
    static void enqueue(stock& s, buffer_claim& c, account_class& l) noexcept;
    static void dequeue(stock& s, buffer_claim& c) noexcept;
    static void serve(stock& s) noexcept;

    dma_memory memory_;
    std::array<stock, buffer_account::max_classes> classes_;
    std::size_t count_ = 0;
    buffer_accounts namespaces_{buffer_accounts::kind::namespaces}, hosts_{buffer_accounts::kind::hosts};
    counter waits_;
};

// ---- What each command pays for.

inline std::uint8_t buffer_pool::class_of(std::uint32_t bytes) const noexcept {
    assert(bytes <= largest());
    std::uint8_t i = 0;
    while (classes_[i].bytes < bytes)
        ++i;
    return i;
}

/// REQUIRES: nobody waits for a buffer of this size, so that no line need be put in order.
inline void buffer_pool::count(const buffer_claim& c, std::uint32_t more) noexcept {
    if (c.user != buffer_user::host)
        c.ns->held += more;
    if (c.user != buffer_user::ns)
        c.host->held += more;
}

inline bool buffer_pool::take(buffer_claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of,
                              accounts_at_hand& at_hand) noexcept {
    assert(!c.data && !c.waits_in);
    if (!at_hand.are_of(on_behalf_of)) [[unlikely]]
        look_up(on_behalf_of, at_hand);
    c.size_class = class_of(bytes);
    c.host = &at_hand.host()->lines[c.size_class];
    if (at_hand.ns()) [[likely]] {
        c.ns = &at_hand.ns()->lines[c.size_class];
        c.user = on_behalf_of.first;
    } else {
        c.ns = nullptr;
        c.user = buffer_user::host;
    }
    stock& s = classes_[c.size_class];
    if (s.left <= s.ample || s.serving) [[unlikely]]
        return take_scarce(s, c);
    c.data = s.free[--s.left];
    count(c, 1);
    return true;
}

inline void buffer_pool::release(buffer_claim& c) noexcept {
    assert(c.data >= memory_.data() && c.data < memory_.data() + memory_.size());
    stock& s = classes_[c.size_class];
    assert(s.left < s.free.size());
    if (s.waiting) [[unlikely]]
        return give_back_and_serve(s, c);
    s.free[s.left++] = std::exchange(c.data, nullptr);
    count(c, -1u);
}

}  // namespace causeway::core
