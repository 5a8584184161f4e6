// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/delivery.h"
#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/engine.h"
#include "tests/softrdma/verbs/faults.h"
#include "tests/softrdma/verbs/layout.h"
#include "tests/softrdma/verbs/peer.h"

#include <atomic>
#include <deque>
#include <infiniband/verbs.h>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace softrdma {

struct completion_queue;
struct srq;

/// A reliably connected queue pair. What arrives is done by the peer in the shared part; what is sent, by whoever
/// posts, and by the engine when something had to wait.
///
/// Locks, in this order: the send queue's; a shared queue pair's (one at a time); a receive queue's; a completion
/// queue's.
class queue_pair : public ibv_qp_ex {
  public:
    static queue_pair& of(ibv_qp* qp) noexcept { return *static_cast<queue_pair*>(reinterpret_cast<ibv_qp_ex*>(qp)); }

    queue_pair(ibv_pd* pd, const ibv_qp_init_attr& a, std::uint32_t place, std::uint32_t number);
    ~queue_pair();

    ibv_qp* base() noexcept { return &qp_base; }
    std::uint32_t number() const noexcept { return qp_base.qp_num; }
    device& on() noexcept { return softrdma::context::of(qp_base.context).on(); }
    bool uses(completion_queue& q) noexcept;
    bool extended = false;  ///< made with ibv_create_qp_ex and send operations

    int post_send(const ibv_send_wr* wr, const ibv_send_wr** bad);
    int post_receive(const ibv_recv_wr* wr, const ibv_recv_wr** bad);
    int modify(const ibv_qp_attr& a, int mask);
    void query(ibv_qp_attr& a, ibv_qp_init_attr& init);

    /// Into error, with all work flushed, as a broken connection or a lost device does it.
    void fail();
    /// On the engine's thread: what has waited goes on.
    void resume();
    /// On the engine's thread: what a peer has done to us.
    void take_attention();
    /// Under its completion queue's lock: the completion of the work request at `position` has been polled, and with it
    /// those before.
    void retire(std::uint32_t position, ibv_wc_status status) noexcept;

    /// Between wr_start() and wr_complete().
    struct built {
        ibv_send_wr wr;
        std::vector<ibv_sge> pieces;
        std::deque<std::vector<std::byte>> inline_data;
    };
    std::vector<built> building;

  private:
    struct slot {
        ibv_send_wr wr;
        std::array<ibv_sge, max_sge> sg_list;
        std::vector<std::byte> inline_data;
        std::uint64_t fingerprint = 0;
        faults::fate fate;
        clock::time_point not_before, completes;
        unsigned attempts = 0;
        unsigned not_ready = 0;
        ibv_wc_status status = IBV_WC_SUCCESS;
    };

    slot& at(std::uint32_t position) noexcept { return slots_[position % slots_.size()]; }
    shared_queue_pair& shared() noexcept;
    int check(const ibv_send_wr& wr) const noexcept;
    void accept(const ibv_send_wr& wr);
    void run();
    bool step(slot& s);
    bool no_answer(slot& s);
    bool not_ready(slot& s, unsigned timer);
    void wait_until(clock::time_point when);
    void publish();
    void flush();
    void flush_receives();
    void flush_receive(shared_receive_queue& q, std::uint32_t slot);
    void reset();
    ibv_qp_state state() noexcept;
    void set_state(ibv_qp_state s);
    void raise(ibv_event_type type);

    std::mutex mutex_;          ///< the send queue's
    std::vector<slot> slots_;   ///< a power of two: positions go around
    std::uint32_t posted_ = 0;  ///< counts on for ever, as the next ones do
    std::uint32_t done_ = 0;
    std::uint32_t published_ = 0;
    std::atomic<std::uint32_t> retired_{0};
    std::uint32_t reads_posted_ = 0;
    std::atomic<std::uint32_t> reads_retired_{0};
    std::shared_ptr<peer> self_;
    std::shared_ptr<peer> peer_;
    ibv_qp_cap cap_;
    bool all_signaled_;
    ibv_qp_attr attr_{};
    faults::lot lot_;
    const std::uint64_t order_;
    const std::uint32_t place_;
};

void set_extended_operations(queue_pair& q);
/// All queue pairs of the process look at their work again.
void resume_all();

}  // namespace softrdma
