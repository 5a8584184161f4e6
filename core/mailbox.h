#pragma once

#include <atomic>
#include <cstdint>

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
    message* next_ = nullptr;
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

    /// The consumer's. Takes all that is there, runs each handler, and returns how many there were. What
    /// handlers push in the meantime waits for the next call.
    unsigned drain() noexcept {
        if (head_.load(std::memory_order_relaxed) == nullptr)
            return 0;
        message* newest = head_.exchange(nullptr, std::memory_order_acquire);
        if (newest == asleep())
            return 0;
        message* oldest = nullptr;
        while (newest) {  // the stack is newest first
            message* next = newest->next_;
            newest->next_ = oldest;
            oldest = newest;
            newest = next;
        }
        unsigned count = 0;
        while (oldest) {
            message* m = oldest;
            oldest = m->next_;  // before the handler, which may destroy the message
            m->handle(*m);
            ++count;
        }
        return count;
    }

    /// The consumer's. True: empty, and the next push will say that a wake-up is due.
    [[nodiscard]] bool arm() noexcept {
        message* none = nullptr;
        return head_.compare_exchange_strong(none, asleep(), std::memory_order_acq_rel);
    }

    /// The consumer's, after a successful arm(). True: a producer has found the consumer asleep.
    bool disarm() noexcept {
        message* sentinel = asleep();
        return !head_.compare_exchange_strong(sentinel, nullptr, std::memory_order_acq_rel);
    }

    bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }

  private:
    message* asleep() noexcept { return &sentinel_; }

    alignas(64) std::atomic<message*> head_{nullptr};
    message sentinel_;
};

}  // namespace causeway::core
