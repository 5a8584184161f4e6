// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"
#include "transport/common/qpair.h"
#include "transport/rdma/request.h"
#include "transport/rdma/send_queue.h"
#include "transport/rdma/verbs.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace causeway::rdma {

class poll_group;
class receive_pool;

/// The limits granted to an accepted connection.
struct qpair_limits {
    std::uint16_t depth = 0;          ///< commands that the host may have outstanding
    std::uint32_t send_requests = 0;  ///< room of the send queue, at least max_descriptors + 1
    std::uint32_t reads = 0;          ///< RDMA READs at a time
    bool inline_response = false;
};

/// The data path of one connection: capsules in, data both ways, responses out. Lives on its poll group's reactor, made
/// and destroyed there by its connection.
///
/// A command is outstanding from its capsule until its response is handed to the send queue: that is what the host
/// counts, and what may not exceed the depth. Its receive goes back to the shared queue before that response goes out,
/// so a host that keeps to its depth always finds one. The request lives on until the SEND has completed, so there may
/// be up to twice as many requests as commands outstanding.
class qpair final : public common::qpair<qpair, request> {
  public:
    /// `responses`: memory of responses_size(), empty where the device takes responses inline.
    /// `permit` and `on_closed_by_us`: see common::qpair.
    qpair(poll_group& group, receive_pool& receives, common::connection_permit& permit, ibv_qp* qp, std::uint16_t qid,
          const qpair_limits& limits, registered_memory responses, nvmf::transport_address local,
          nvmf::transport_address peer, std::function<void(nvmf::disconnect_reason)> on_closed_by_us);
    ~qpair() override;

    std::string_view transport_name() const noexcept override { return "RDMA"; }

    // The poll group's.
    void on_receive(std::uint32_t slot, std::uint32_t bytes) noexcept;
    void on_send_completion(const wr_id& id, ibv_wc_status status) noexcept;
    /// A receive of this queue pair has failed.
    void on_receive_error(ibv_wc_status status) noexcept;
    send_queue& queue() noexcept { return queue_; }
    /// The device has refused the turn's chain, or the end of it: the connection is over. `code`: an errno.
    void on_post_refused(int code) noexcept;

    // The connection's, in this order.
    /// No new commands begin, and commands that have not been executed are dropped. Responses are still sent.
    void begin_close() noexcept;
    /// True: no response is in progress, or none can be sent any more.
    bool responses_out() const noexcept { return broken_ || (send_waiters_.empty() && sending_ == 0); }
    /// Nothing is posted any more.
    void stop_sending() noexcept;
    /// True: the device is done with all that was posted. progress() says when.
    bool drained() const noexcept { return queue_.outstanding() == 0; }
    /// The device's queue pair is destroyed: nothing of it will complete any more.
    void abandon_posted() noexcept;
    /// The device was removed, or is being removed: what is registered with it is released. May block.
    void release_verbs() noexcept { responses_.mr.reset(); }
    /// Claims no more receives than it had commands outstanding since the last call. False: it claims the least.
    bool lower_claim() noexcept;
    /// All goes back but what commands in flight use: requests, buffers, receives. Returns how many receives these
    /// commands hold; each goes back with its command. REQUIRES: release_verbs().
    std::uint32_t release_unused() noexcept;

    const qpair_limits& limits() const noexcept { return limits_; }
    receive_pool& receives() const noexcept { return receives_; }
    ibv_qp* verbs() const noexcept { return qp_; }
    std::uint32_t qp_num() const noexcept { return qp_num_; }

    static std::size_t responses_size(std::uint16_t depth) noexcept {
        return std::size_t{2} * depth * sizeof(nvme::completion);
    }

    // Its slot in the poll group.
    std::uint16_t slot_index = 0;
    std::uint16_t generation = 0;
    bool marked_dirty = false;

  private:
    friend class common::qpair<qpair, request>;

    static constexpr std::string_view log_name = "rdma";
    struct parked {
        std::uint32_t slot;
        std::uint32_t bytes;
        std::uint32_t stall_epoch;  ///< of the poll group when it came
    };

    // qpair.cc: a command's way
    void reached_peak() noexcept;
    void begin_command(request& r, const parked& capsule) noexcept;
    void on_begun(request& r, nvme::status begun) noexcept;
    /// What it holds is the receive that its capsule came in, and that was promised to this connection.
    void on_deferred(request&) noexcept {}
    void send_response(request& r, bool with_data) noexcept;
    void post_response(request& r) noexcept;
    void pump() noexcept;
    void unpark() noexcept;
    void on_connected(std::uint32_t /*entries*/) noexcept {}

    // qpair_data.cc: buffers and RDMA READs
    void on_buffer(request& r) noexcept;
    void use_buffer(request& r, std::byte* data, std::uint32_t lkey) noexcept;
    std::uint32_t lkey_of(const request& r) const noexcept;
    void release_resources(request& r) noexcept;
    void release_slot(request& r) noexcept;
    void read(request& r) noexcept;
    void pump_reads() noexcept;
    void on_read_done(request& r, const wr_id& id, bool ok) noexcept;
    bool cancel_fetch(request& r) noexcept;
    std::uint32_t sends_needed(const request& r) const noexcept;

    poll_group& group_;
    receive_pool& receives_;
    ibv_qp* qp_;
    const std::uint32_t qp_num_;
    const std::uint16_t asked_qid_;  ///< by the connection request
    const qpair_limits limits_;
    registered_memory responses_;  ///< one for each request

    send_queue queue_;
    bool left_ = false;              ///< the receive pool counts it no more, but for each receive that a command holds
    std::uint32_t outstanding_ = 0;  ///< commands received and not answered
    std::uint32_t claim_;            ///< of the receives, at least as many as it has outstanding
    std::uint32_t peak_ = 0;         ///< of `outstanding_`, since lower_claim()
    std::uint32_t sending_ = 0;      ///< responses posted, not completed

    std::vector<parked> parked_;  ///< capsules that wait for a request, oldest first
    core::fifo<request> read_waiters_;
    core::fifo<request> send_waiters_;
};

}  // namespace causeway::rdma
