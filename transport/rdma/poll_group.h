// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/task.h"
#include "core/timer.h"
#include "transport/common/poll_group.h"
#include "transport/rdma/device_limits.h"
#include "transport/rdma/qpair.h"
#include "transport/rdma/receive_pool.h"
#include "transport/rdma/send_queue.h"
#include "transport/rdma/verbs.h"

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace causeway::rdma {

/// Completions that a queue pair may make before any is polled: each receive, and, if all fail at once, each send work
/// request.
constexpr std::uint32_t completions_of(const qpair_limits& l) noexcept {
    return l.depth + l.send_requests;
}

/// Buffers of max_io_size that are made, and registered, at a time for connections to have as their own.
inline constexpr std::size_t own_buffers_in_region = 8;

/// All that one core does on one device: a completion queue, shared receive queues, data buffers, and the queue pairs
/// that use them. Lives on its reactor; made by create() where blocking is allowed.
class poll_group final : public common::poll_group {
  public:
    static core::result<std::unique_ptr<poll_group>> create(core::reactor& home, nvmf::target& target, ibv_pd* pd,
                                                            const device_limits& limits,
                                                            const nvmf::transport_options& options);
    ~poll_group() override;

    // On the home reactor.
    void start();         ///< begins to poll
    core::task<> stop();  ///< ends it, and releases the device's objects; memory stays. REQUIRES: no queue pair

    /// Makes room for a connection: receives, and completions of everything that it may post. ENOMEM, or what the
    /// device says. Given back by leave() of its queue pair, or by cancel().
    core::task<core::result<receive_pool*>> admit(qpair_limits limits);
    void cancel(receive_pool& receives, const qpair_limits& limits) noexcept;
    /// Of an admitted connection.
    void join(qpair& q);
    /// The queue pair claims `more` of the receives that were promised to it. False: there is no memory for them.
    [[nodiscard]] bool raise(receive_pool& receives, std::uint32_t more) noexcept;
    /// Handles what lies in the completion queue, all of it: a queue pair's last receives, before the device destroys
    /// it together with unpolled completions.
    void take_completions() noexcept;
    /// The device's queue pair is destroyed: what still lies in the completion queue is taken, and its place given up.
    void leave(qpair& q) noexcept;

    // core::poller
    unsigned poll(unsigned budget) noexcept override;
    void flush() noexcept override;
    bool arm() noexcept override;

    // For queue pairs.
    std::uint32_t buffers_lkey() const noexcept { return buffers_mr_ ? buffers_mr_->lkey : 0; }
    bool send_with_invalidate() const noexcept { return limits_.send_with_invalidate; }
    /// Makes sure that the arena has room for `n` pieces of work. May post all chains.
    void make_room(std::size_t n) noexcept;
    work_arena& arena() noexcept { return arena_; }
    void mark_dirty(qpair& q) noexcept;

    // For connections.
    ibv_cq* cq() const noexcept { return cq_.get(); }

    /// In the names of nvmf_get_stats.
    struct statistics : common::poll_statistics {
        core::counter completions;
        core::counter pending_free_request, pending_rdma_read, pending_rdma_write, pending_rdma_send;
        core::counter total_send_wrs, send_doorbell_updates;
        core::counter evicting;  ///< connections for which others without a Connect had to go
    };
    statistics& stats() noexcept { return stats_; }
    const statistics& stats() const noexcept { return stats_; }
    const receive_pool::statistics& receive_stats() const noexcept { return receive_stats_; }
    /// What reactor::stalls() said when the completion queue was last found empty: see nvmf::qpair::stall_epoch.
    std::uint32_t stall_epoch() const noexcept { return stall_epoch_; }

  private:
    poll_group(core::reactor& home, nvmf::target& target, ibv_pd* pd, const device_limits& limits,
               const nvmf::transport_options& options, comp_channel_ptr channel, cq_ptr cq, core::buffer_pool buffers,
               mr_ptr buffers_mr, registered_memory own_buffers);

    core::task<core::result<>> grow_completions(std::uint32_t more);
    core::task<core::result<receive_pool*>> pool_for(std::uint32_t depth);
    core::task<core::result<>> add_memory(receive_pool& receives);
    core::task<> grow_with_use();
    void lower_claims();
    void want_own_buffers();
    core::task<> make_own_buffers();
    void add_own_buffers(registered_memory region);
    void handle(const ibv_wc& wc) noexcept;
    void release_verbs() noexcept;
    void take_channel_events() noexcept;

    ibv_pd* const pd_;
    const device_limits limits_;
    const std::uint32_t in_capsule_data_size_;

    comp_channel_ptr channel_;
    cq_ptr cq_;
    std::uint32_t completions_;               ///< that the queue holds
    std::uint32_t promised_completions_ = 0;  ///< to connections
    core::async_mutex growing_;               ///< one at a time makes what can only be made by blocking
    bool following_use_ = false;              ///< grow_with_use() is on its way
    bool out_of_memory_ = false;              ///< when that was tried last
    bool stopped_ = false;
    std::vector<std::unique_ptr<receive_pool>> pools_;
    receive_pool::statistics receive_stats_;
    core::timer lower_claims_;
    mr_ptr buffers_mr_;
    std::vector<registered_memory> own_memory_;
    bool making_own_buffers_ = false;
    work_arena arena_;

    struct qpair_slot {
        qpair* occupant = nullptr;
        std::uint16_t generation = 0;
    };
    std::vector<qpair_slot> qpair_slots_;
    std::unordered_map<std::uint32_t, qpair*> by_number_;
    std::vector<qpair*> dirty_;
    std::uint32_t stall_epoch_ = 0;

    bool armed_ = false;
    std::optional<core::fd_watch> channel_watch_;
    core::poller_registration registration_;
    statistics stats_;
};

}  // namespace causeway::rdma
