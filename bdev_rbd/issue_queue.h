// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "ceph/operation_share.h"
#include "core/reactor.h"

#include <atomic>
#include <cstdint>

namespace causeway::bdev_rbd {

/// Where the I/O of one image waits until it may go to librbd: for its share of the client's RADOS operations, and for
/// the next turn when this one has issued enough. In the order in which it came; nothing is allocated, and nothing
/// blocks.
///
/// A long I/O (a deallocation of hundreds of objects) comes a piece at a time and queues up again behind the others for
/// each. Long ones have a queue and a limit of their own, so that no read ever waits behind more than `max_long`
/// operations of them; and one piece is always next, so that reads do not starve them either.
///
/// Lives on the image's home core, but for ended().
class issue_queue {
  public:
    /// In RADOS operations: what a turn issues for one image. A read costs the core 7 µs.
    static constexpr unsigned max_per_turn = 32;
    static constexpr unsigned max_long = 64;

    struct cost {
        unsigned operations;
        bool long_io;
    };
    using issue_function = void (*)(bdev::io&) noexcept;
    /// The same for an I/O, or its present piece, from submit() to ended().
    using cost_function = cost (*)(const bdev::io&) noexcept;

    issue_queue(core::reactor& home, std::shared_ptr<ceph::outstanding_operations> client, cost_function cost,
                issue_function issue) noexcept;

    /// Issues the I/O, or its next piece, now or as soon as it may be. Uses `i.next`.
    void submit(bdev::io& i) noexcept;
    /// Any thread: librbd is done with what was issued, or will not get it: once for each issue. An I/O that is held
    /// instead is submitted again later. Before the I/O goes on its way: it may be gone after that.
    void ended(const bdev::io& i) noexcept;

    unsigned outstanding() const noexcept { return share_.outstanding(); }

  private:
    class fifo {
      public:
        bool empty() const noexcept { return !first_; }
        bdev::io& first() const noexcept { return *first_; }
        void push(bdev::io& i) noexcept;
        void pop() noexcept;

      private:
        bdev::io* first_ = nullptr;
        bdev::io* last_ = nullptr;
    };
    struct wake_up : core::message {
        issue_queue* owner = nullptr;
        std::atomic<bool> pending{false};
    };

    void issue_queued() noexcept;
    bool issue_first(fifo& of) noexcept;
    bool may_issue(cost c) noexcept;
    bool should_issue_long() const noexcept { return !long_.empty() && long_outstanding_.load() == 0; }
    void schedule_wake_up() noexcept;

    core::reactor& home_;
    ceph::operation_share share_;
    const cost_function cost_;
    const issue_function issue_;
    fifo short_, long_;
    std::atomic<unsigned> long_outstanding_{0};
    std::atomic<bool> waiting_{false};  ///< I/O waits: ended() has to wake it
    std::uint64_t turn_ = 0;
    unsigned issued_in_turn_ = 0;
    wake_up wake_up_;
};

}  // namespace causeway::bdev_rbd
