// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"
#include "core/mailbox.h"

#include <cassert>
#include <memory>
#include <utility>

namespace causeway::core {

class background_queue;
class background_party;

/// A piece of control work that waits on a reactor for its turn. Embedded in what travels, as any message is.
class background_message : public message {
  public:
    using message::message;

    background_queue* queue = nullptr;  ///< where it waits; nullptr: with the gateway's own work. Set before posting
};

/// The control work of one source (a queue pair) that waits, oldest first. Lives on the reactor where it waits; may be
/// destroyed as soon as its last piece runs.
class background_queue {
  public:
    background_queue() noexcept = default;
    background_queue(const background_queue&) = delete;
    background_queue& operator=(const background_queue&) = delete;
    virtual ~background_queue() = default;

    /// On the reactor. The next piece that arrives asks for a party anew. REQUIRES: no piece waits.
    void leave_party() noexcept {
        assert(pieces_.empty());
        party_.reset();
    }

  private:
    /// Asked for on the reactor when a piece arrives and it belongs to none. One of its own, unless it knows better.
    virtual std::shared_ptr<background_party> find_party();

    friend class background_party;
    friend class background_work;
    message_queue pieces_;
    std::shared_ptr<background_party> party_;
    background_queue* before_ = nullptr;  ///< fifo's
    background_queue* after_ = nullptr;
};

/// Sources that share one turn, so that nobody gets more of them by having more sources: the queue pairs of an address,
/// for instance. On the reactor where they wait.
class background_party {
  public:
    background_party() noexcept = default;
    background_party(const background_party&) = delete;
    background_party& operator=(const background_party&) = delete;

  private:
    friend class background_work;
    fifo<background_queue, &background_queue::before_, &background_queue::after_> waiting_;  ///< the next one first
    background_party* before_ = nullptr;                                                     ///< fifo's
    background_party* after_ = nullptr;
};

/// The control work of one reactor. Parties take turns, and within a party its queues; a turn is one piece of work. So
/// whoever posts a thousand pieces waits for a thousand, and the others wait for one of these at a time.
///
/// Every step takes constant time. Queues and parties without work are in no list, and nothing is kept of them.
class background_work {
  public:
    /// Any thread. True: the reactor sleeps, and this caller must wake it.
    [[nodiscard]] bool post(background_message& m) noexcept { return arrived_.push(m); }

    // The reactor's.

    /// Runs pieces until they have cost `budget`, but at least one if there is any. Returns how many.
    unsigned run(unsigned budget) noexcept;
    /// The piece that runs has cost so much beyond 1.
    void spend(unsigned units) noexcept { spent_ += units; }
    unsigned spent() const noexcept { return spent_; }  ///< by the latest run()

    bool empty() const noexcept { return waiting_.empty() && arrived_.empty(); }
    bool has_rest() const noexcept { return !waiting_.empty() || arrived_.has_rest(); }
    [[nodiscard]] bool arm() noexcept { return waiting_.empty() && arrived_.arm(); }  ///< as mailbox's
    void disarm() noexcept { arrived_.disarm(); }

  private:
    void sort_in(background_message& m) noexcept;
    message* take_next() noexcept;

    unsigned spent_ = 0;
    fifo<background_party, &background_party::before_, &background_party::after_> waiting_;  ///< the next one first
    background_queue own_;                                                                   ///< the gateway's
    mailbox arrived_;
};

}  // namespace causeway::core
