// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/rdma/wr_id.h"

#include <cstdint>
#include <infiniband/verbs.h>
#include <vector>

namespace causeway::rdma {

/// Work requests that one turn of a core makes, until they are posted: the device copies them then.
class work_arena {
  public:
    struct work {
        ibv_send_wr request;
        ibv_sge piece;
    };

    explicit work_arena(std::size_t size) : work_(size) {}

    bool has_room(std::size_t n) const noexcept { return work_.size() - used_ >= n; }
    /// REQUIRES: has_room(1). Fields as value-initialised, `piece` attached.
    work& take() noexcept {
        work& w = work_[used_++];
        w.request = {};
        w.request.sg_list = &w.piece;
        w.request.num_sge = 1;
        return w;
    }
    /// All chains have been posted.
    void clear() noexcept { used_ = 0; }

  private:
    std::vector<work> work_;
    std::size_t used_ = 0;
};

/// What goes out on one queue pair: a chain that grows during the turn and is posted with one doorbell, and the two
/// rooms that bound it, of work requests and of RDMA READs.
class send_queue {
  public:
    send_queue(ibv_qp* qp, std::uint32_t work_requests, std::uint32_t reads) noexcept
        : qp_(qp), capacity_(work_requests), room_(work_requests), read_room_(reads) {}

    std::uint32_t room() const noexcept { return room_; }
    std::uint32_t read_room() const noexcept { return read_room_; }

    /// REQUIRES: room for it. Appends to the chain.
    void append(work_arena::work& w) noexcept {
        w.request.next = nullptr;
        if (tail_)
            tail_->request.next = &w.request;
        else
            head_ = &w;
        tail_ = &w;
        ++chained_;
        --room_;
        if (w.request.opcode == IBV_WR_RDMA_READ)
            --read_room_;
        if (w.request.send_flags & IBV_SEND_SIGNALED)
            ++signaled_;
    }

    bool dirty() const noexcept { return head_ != nullptr; }
    /// Work requests in the chain.
    std::uint32_t chained() const noexcept { return chained_; }

    /// Posts the chain. Not 0: an errno; the device took the chain in part, or none of it. It may still be at work on
    /// what it took, for requests whose rest it refused: REQUIRES that no memory of this queue pair's work goes to
    /// anyone before the queue pair is destroyed, and that nothing is appended any more.
    [[nodiscard]] int post() noexcept;

    /// A signaled work request is over, and the unsignaled ones before it.
    void retire(const wr_id& id) noexcept {
        --signaled_;
        room_ += id.retires;
        if (id.kind == work_kind::read)
            read_room_ += id.retires;
    }

    /// Signaled work requests that have not come back. 0: the device is done with everything that was posted.
    std::uint32_t outstanding() const noexcept { return signaled_; }

    std::uint32_t capacity() const noexcept { return capacity_; }

  private:
    ibv_qp* qp_;
    std::uint32_t capacity_;
    std::uint32_t room_;
    std::uint32_t read_room_;
    std::uint32_t signaled_ = 0;
    std::uint32_t chained_ = 0;
    work_arena::work* head_ = nullptr;
    work_arena::work* tail_ = nullptr;
};

inline int send_queue::post() noexcept {
    if (!head_)
        return 0;
    ibv_send_wr* refused = nullptr;
    ibv_send_wr* const first = &head_->request;
    head_ = tail_ = nullptr;
    chained_ = 0;
    const int code = ibv_post_send(qp_, first, &refused);
    if (code != 0) {
        // What was refused never completes: outstanding() must not wait for it.
        for (const ibv_send_wr* w = refused ? refused : first; w; w = w->next)
            if (w->send_flags & IBV_SEND_SIGNALED)
                --signaled_;
    }
    return code;
}

}  // namespace causeway::rdma
