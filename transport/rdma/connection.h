// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/placement.h"
#include "core/task.h"
#include "transport/rdma/cm_channel.h"
#include "transport/rdma/cm_private.h"
#include "transport/rdma/device.h"
#include "transport/rdma/qpair.h"

#include <atomic>
#include <memory>

namespace causeway::rdma {

class rdma_transport;

/// The control side of a connection: accepts it, and tears it down in the right order. The data path is its qpair.
/// Lives on the control reactor, from the connection request until all of its resources are released.
class connection final : public cm_owner {
  public:
    connection(rdma_transport& transport, device& on, rdma_cm_id* id, std::shared_ptr<const nvmf::port> port,
               nvmf::transport_address local, const connect_request& asked);
    ~connection() override;

    /// Ends with the host accepted or refused. Started once.
    core::task<> accept();
    /// Begins to close it, once. Closing ends with its removal from the transport, which never happens within this
    /// call.
    void close(nvmf::disconnect_reason why);

    void on_event(const cm_event& e) override;
    /// Of its queue pair, from the device.
    void on_event(ibv_event_type e);
    device& on() const noexcept { return device_; }

  private:
    enum class state : std::uint8_t { accepting, live, closing };

    core::task<core::result<>> settle();
    core::result<> build(registered_memory& responses);
    core::result<> accept_connection();
    core::task<> refuse(nvme::rdma_cm_status why);
    core::task<> tear_down();
    core::task<> drain();
    void wake_home();
    core::reactor& control() const noexcept;

    rdma_transport& transport_;
    device& device_;
    core::gate::holder device_hold_ = device_.hold_queue_pair();
    rdma_cm_id* id_;
    const std::shared_ptr<const nvmf::port> port_;
    const nvmf::transport_address local_, peer_;
    const connect_request asked_;
    qpair_limits limits_;
    state state_ = state::accepting;
    bool cancelled_ = false;               ///< closed while it was being accepted
    std::atomic<bool> peer_gone_ = false;  ///< said on the control reactor, of interest at home
    nvmf::disconnect_reason why_{};
    core::core_lease lease_;  ///< where it is admitted
    poll_group* group_ = nullptr;
    receive_pool* receives_ = nullptr;  ///< of the group, where it is admitted
    std::unique_ptr<qpair> qpair_;      ///< home reactor's
    std::atomic<bool> last_receive_seen_{false};
};

}  // namespace causeway::rdma
