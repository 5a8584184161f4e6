// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "bdev_nvme/completion_ring.h"
#include "bdev_nvme/data_pointer.h"
#include "bdev_nvme/doorbell.h"
#include "bdev_nvme/io_target.h"
#include "core/dma_memory.h"
#include "core/poller.h"
#include "core/reactor.h"
#include "core/result.h"
#include "core/timer.h"
#include "nvme/command.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace causeway::bdev_nvme {

/// Written by the queue's core, read by any thread.
struct queue_statistics {
    core::counter busy_polls;
    core::counter idle_polls;
    core::counter submitted;    ///< commands
    core::counter completions;  ///< of commands
    core::counter waited;       ///< I/Os that found no free entry
    core::counter bounced;      ///< commands whose data was copied because the device cannot access it
    core::counter sq_doorbells;
    core::counter sq_shadow_doorbells;  ///< without a register write
    core::counter cq_doorbells;
    core::counter cq_shadow_doorbells;
    core::counter timeouts;
    core::counter violations;  ///< completions that cannot be
};

/// A submission and a completion queue of one controller, and the I/O on them. NVM Express Base Specification 2.0,
/// "Memory-Based Transport Queue Model".
///
/// Lives on one core, and only that core touches it: no lock, no locked instruction, and no cache line that another
/// core writes. Made and destroyed on the control reactor, while it is closed; everything else on its core. Its
/// doorbell is rung once for all that a turn has submitted, its completions are taken in batches.
///
/// A device is not trusted: a completion that cannot be (an identifier that is not outstanding, another queue's, a head
/// outside of the queue) stops the queue and is reported. What is outstanding then is answered only by
/// abort_outstanding(), when it is certain that the device touches no memory any more.
class alignas(128) queue_pair final : core::poller {
  public:
    /// Data that the device cannot get at where it lies is copied: no more than this with one command.
    static constexpr std::uint32_t bounce_bytes = 64 * 1024;

    struct settings {
        std::uint16_t qid = 0;
        std::uint32_t entries = 256;  ///< of both queues, 2 to 1024
        sgl_support sgls = sgl_support::none;
        doorbell submission;
        doorbell completion;
    };

    /// How a queue notifies its controller. Called on the queue's core; must not destroy the queue within the call.
    class owner {
      public:
        virtual ~owner() = default;
        virtual void queue_broken(queue_pair& q, const char* why) noexcept = 0;
        /// The command `cid` is outstanding for too long. Said once for each, and again after as long.
        virtual void command_timed_out(queue_pair& q, std::uint16_t cid, bool again) noexcept = 0;
    };

    queue_pair(core::reactor& home, owner& o, const dma_reach& reach);
    ~queue_pair() override;

    core::reactor& home() const noexcept { return home_; }
    const queue_statistics& stats() const noexcept { return stats_; }
    std::uint16_t qid() const noexcept { return settings_.qid; }
    std::uint32_t entries() const noexcept { return settings_.entries; }

    // Control reactor, while it is closed.

    /// Memory for so many entries, zeroed; that of an earlier life is used again if it fits. ENOMEM.
    core::result<> prepare(const settings& s);
    std::uint64_t submission_address() const noexcept { return reinterpret_cast<std::uintptr_t>(submissions_.data()); }
    std::uint64_t completion_address() const noexcept { return reinterpret_cast<std::uintptr_t>(completions_.data()); }

    // On its core.

    /// The device has the queues: I/O goes to it, what waited first. `timeout`: 0: none.
    void open(core::nanoseconds timeout);
    /// Nothing goes to the device any more, and nothing is taken from it; I/O waits.
    void pause() noexcept;
    /// What is with the device is answered with `s`. REQUIRES: paused; the device touches no memory any more.
    void abort_outstanding(nvme::status s) noexcept;
    /// All that waits, and all that comes, is answered with `s`. REQUIRES: nothing is with the device.
    void fail(nvme::status s) noexcept;

    void set_timeout(core::nanoseconds timeout);

    /// Takes an I/O, of this core or of another that has no queue; it ends on the core that issued it. REQUIRES: `t`
    /// outlives it.
    void submit(bdev::io& i, const io_target& t) noexcept {
        i.back_end = const_cast<io_target*>(&t);
        i.back_end_value = 0;
        i.status = {};
        if (state_ == state::open && !waiting_first_) [[likely]]
            if (issue(i))
                return;
        wait_for_entry(i);
    }

    std::uint32_t outstanding() const noexcept { return outstanding_; }

  private:
    enum class state : std::uint8_t { paused, open, failed };

    /// A command that is with the device.
    struct alignas(64) tracker {
        bdev::io* io = nullptr;  ///< nullptr: free
        tracker* next_free = nullptr;
        core::ticks started = 0;
        std::byte* list = nullptr;    ///< its page for descriptors and ranges
        std::byte* bounce = nullptr;  ///< where its data is instead
        std::uint32_t skip = 0;       ///< bytes of the I/O's data before its part ...
        std::uint32_t bytes = 0;      ///< ... and the bytes of that; for `bounce`
        std::uint16_t cid = 0;        ///< of its last command; the low bits are its index
        bool reported = false;        ///< as timed out
    };

    /// How far an I/O of several commands has come; kept in io::back_end_value.
    struct progress {
        std::uint64_t issued : 48;  ///< blocks
        std::uint64_t pieces : 16;  ///< commands with the device
    };

    unsigned poll(unsigned budget) noexcept override;
    unsigned process_completions(unsigned budget) noexcept;
    void flush() noexcept override;
    bool arm() noexcept override { return state_ != state::open || (outstanding() == 0 && tail_ == rung_tail_); }

    /// What became of a command that was to be made.
    enum class made : std::uint8_t { yes, no_entry, no_buffer, too_long };

    // Inlined are the steps of a read's way: each costs less than the call.
    bool issue(bdev::io& i) noexcept;
    [[gnu::always_inline]] made issue_range(bdev::io& i, const io_target& t, std::uint64_t issued,
                                            std::uint32_t blocks) noexcept;
    bool issue_flush(bdev::io& i, const io_target& t) noexcept;
    made issue_unmap(bdev::io& i, const io_target& t, std::uint64_t issued, std::uint32_t blocks) noexcept;
    bool issue_copy(bdev::io& i, const io_target& t) noexcept;
    bool issue_pair(bdev::io& i, const io_target& t) noexcept;
    std::uint32_t max_blocks(const bdev::io& i, const io_target& t) const noexcept;
    [[gnu::always_inline]] void begin(nvme::command& c, const tracker& t, std::uint8_t opcode,
                                      std::uint32_t nsid) const noexcept;
    [[gnu::always_inline]] made point(nvme::command& c, tracker& t, std::span<const iovec> data,
                                      bool from_device) noexcept;
    [[gnu::always_inline]] void put(const nvme::command& c) noexcept;
    void wait_for_entry(bdev::io& i) noexcept;
    void issue_waiting() noexcept;

    [[gnu::always_inline]] tracker* take(bdev::io& i) noexcept;
    [[gnu::always_inline]] void release(tracker& t) noexcept;
    void violated(const char* why) noexcept;
    [[gnu::always_inline]] bool completed(const completion_ring::completion& a) noexcept;
    [[gnu::always_inline]] void end(tracker& t, nvme::status s) noexcept;
    [[gnu::always_inline]] void answer(bdev::io& i, nvme::status s) noexcept;
    void check_timeouts() noexcept;

    // What each I/O touches, together.
    core::reactor& home_;
    state state_ = state::paused;
    std::uint32_t tail_ = 0;
    std::uint32_t rung_tail_ = 0;
    nvme::command* submission_ring_ = nullptr;
    completion_ring completion_ring_;
    tracker* free_ = nullptr;  ///< the one that was free last, whose lines are still near
    std::uint32_t outstanding_ = 0;
    std::vector<tracker> trackers_;
    bdev::io* waiting_first_ = nullptr;
    bdev::io* waiting_last_ = nullptr;
    settings settings_;
    data_pointer pointer_;
    queue_statistics stats_;

    owner& owner_;
    const dma_reach& reach_;
    nvme::status failure_{};
    core::nanoseconds timeout_{};
    std::vector<std::byte*> bounces_;  ///< free ones
    core::dma_memory submissions_;
    core::dma_memory completions_;
    core::dma_memory lists_;
    core::dma_memory bounce_memory_;
    core::poller_registration polling_;
    std::unique_ptr<core::timer> timer_;
};

}  // namespace causeway::bdev_nvme
