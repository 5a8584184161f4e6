// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/common/connection.h"
#include "transport/rdma/cm_channel.h"
#include "transport/rdma/cm_private.h"
#include "transport/rdma/device.h"
#include "transport/rdma/qpair.h"

#include <atomic>

namespace causeway::rdma {

class rdma_transport;

/// The control side of a connection, from the connection request: accepts it, and tears it down in the right order.
class connection final : public cm_owner, public common::connection<connection, qpair> {
  public:
    connection(rdma_transport& transport, device& on, rdma_cm_id* id, std::shared_ptr<const nvmf::port> port,
               nvmf::transport_address local, const connect_request& asked);
    ~connection() override;

    /// Ends with the host accepted or refused. Started once.
    core::task<> accept();
    /// Instead of accept(): others have more right to its place among those that wait. Ends with the connection gone.
    core::task<> reject_waiting() { return refuse(nvme::rdma_cm_status::no_resources); }
    void on_event(const cm_event& e) override;
    /// Of its queue pair, from the device.
    void on_event(ibv_event_type e);
    device& on() const noexcept { return device_; }

  private:
    friend class common::connection<connection, qpair>;

    core::task<core::result<>> settle();
    core::task<core::result<>> find_core();
    core::result<> build(registered_memory& responses);
    core::result<> accept_connection();
    core::task<> refuse(nvme::rdma_cm_status why);
    bool peer_is_gone() const noexcept;
    core::task<> end_link();
    core::task<> drain();
    void on_link_ended();
    void on_gone();
    void release_receives(std::uint32_t n);
    void wake_home();

    rdma_transport& transport_;
    device& device_;
    core::gate::holder device_hold_ = device_.hold_queue_pair();
    rdma_cm_id* id_;
    const std::shared_ptr<const nvmf::port> port_;
    const nvmf::transport_address local_, peer_;
    const connect_request asked_;
    qpair_limits limits_;
    std::atomic<bool> peer_gone_ = false;  ///< said on the control reactor, of interest at home
    poll_group* group_ = nullptr;
    receive_pool* receives_ = nullptr;  ///< of the group, where it is admitted
    bool evicting_ = false;             ///< others had to make room
    std::uint32_t held_ = 0;            ///< receives, by commands that were executing when its link ended
    std::atomic<bool> last_receive_seen_{false};
};

}  // namespace causeway::rdma
