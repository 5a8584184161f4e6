// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace causeway::core {

/// A node that a mailbox can carry. It lives inside the object that travels, so that sending allocates
/// nothing and cannot fail. One message is in at most one mailbox at a time.
class message {
  public:
    using handler = void (*)(message&) noexcept;

    message() noexcept = default;
    explicit message(handler h) noexcept : handle(h) {}
    message(const message&) = delete;
    message& operator=(const message&) = delete;

    handler handle = nullptr;  ///< runs on the receiving reactor; may send the message on, or destroy it

  private:
    friend class mailbox;
    friend class message_queue;
    message* next_ = nullptr;
};

/// Messages that one thread keeps in order, oldest first. For what a mailbox has delivered and what must still wait.
class message_queue {
  public:
    bool empty() const noexcept { return first_ == nullptr; }

    void push_back(message& m) noexcept {
        m.next_ = nullptr;
        (first_ ? last_->next_ : first_) = &m;
        last_ = &m;
    }

    message* pop_front() noexcept {  ///< nullptr: there is none
        message* const m = first_;
        if (m)
            first_ = m->next_;
        return m;
    }

  private:
    message* first_ = nullptr;
    message* last_ = nullptr;  ///< meaningless while there is none
};

/// Many producers, one consumer, intrusive. Messages come out in the order in which each producer put them
/// in.
///
/// The head also says whether the consumer sleeps: a producer that finds the sentinel there, and only that
/// one, must wake it. So a push to a reactor that is awake costs one compare-and-swap and no system call.
class mailbox {
  public:
    /// Any thread. True: the consumer sleeps, and this caller must wake it.
    [[nodiscard]] bool push(message& m) noexcept {
        message* head = head_.load(std::memory_order_relaxed);
        do {
            m.next_ = head == asleep() ? nullptr : head;
            // Release: the consumer that takes the node sees all that the sender wrote before.
        } while (!head_.compare_exchange_weak(head, &m, std::memory_order_release, std::memory_order_relaxed));
        return head == asleep();
    }

    static constexpr unsigned no_budget = std::numeric_limits<unsigned>::max();

    /// The consumer's. Runs the handlers of at most `budget` messages and returns how many there were. What
    /// handlers push in the meantime waits for the next call. What exceeds the budget does, too, and comes before
    /// anything newer: a call that finds such a rest takes nothing else.
    unsigned drain(unsigned budget = no_budget) noexcept {
        return drain(budget, [](message& m) noexcept { m.handle(m); });
    }
    /// The same, but hands each message to `deliver` instead of running its handler.
    template <class F>
    unsigned drain(unsigned budget, F deliver) noexcept {
        message* oldest = rest_;
        if (!oldest) {
            if (head_.load(std::memory_order_relaxed) == nullptr)
                return 0;
            oldest = take_all();
        }
        unsigned count = 0;
        while (oldest && count != budget) {
            message* m = oldest;
            oldest = m->next_;  // before it is delivered: its handler may destroy it
            deliver(*m);
            ++count;
        }
        rest_ = oldest;
        return count;
    }

    /// The consumer's. True: the last drain() has left messages because of its budget.
    bool has_rest() const noexcept { return rest_ != nullptr; }

    /// The consumer's. True: empty, and the next push will say that a wake-up is due.
    [[nodiscard]] bool arm() noexcept {
        if (rest_)
            return false;
        message* none = nullptr;
        return head_.compare_exchange_strong(none, asleep(), std::memory_order_acq_rel);
    }

    /// The consumer's, after a successful arm(). True: a producer has found the consumer asleep.
    bool disarm() noexcept {
        message* sentinel = asleep();
        return !head_.compare_exchange_strong(sentinel, nullptr, std::memory_order_acq_rel);
    }

    /// The consumer's.
    bool empty() const noexcept { return !rest_ && head_.load(std::memory_order_relaxed) == nullptr; }

  private:
    message* asleep() noexcept { return &sentinel_; }

    /// Oldest first; nullptr if only the sentinel was there.
    message* take_all() noexcept {
        message* newest = head_.exchange(nullptr, std::memory_order_acquire);
        if (newest == asleep())
            return nullptr;
        message* oldest = nullptr;
        while (newest) {  // the stack is newest first
            message* next = newest->next_;
            newest->next_ = oldest;
            oldest = newest;
            newest = next;
        }
        return oldest;
    }

    alignas(64) std::atomic<message*> head_{nullptr};
    message sentinel_;
    // On a cache line of its own: producers write the head's.
    alignas(64) message* rest_ = nullptr;  ///< taken and not yet run, oldest first
};

}  // namespace causeway::core
