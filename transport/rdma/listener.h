// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "transport/ip/address.h"
#include "transport/rdma/cm_channel.h"

namespace causeway::rdma {

class rdma_transport;

/// A port at which hosts may connect. Lives on the control reactor.
class listener final : public cm_owner {
  public:
    listener(rdma_transport& transport, std::shared_ptr<const nvmf::port> port)
        : transport_(transport), port_(std::move(port)) {}

    const std::shared_ptr<const nvmf::port>& port() const noexcept { return port_; }
    const nvmf::transport_address& at() const noexcept { return port_->at; }
    /// The device that has the address; nullptr while not open, or where the address is a wildcard.
    ibv_context* verbs() const noexcept { return id_ ? id_->verbs : nullptr; }
    bool is_open() const noexcept { return id_ != nullptr; }

    /// ENODEV: no RDMA device has the address; EADDRNOTAVAIL, EADDRINUSE, EINVAL.
    core::task<core::result<>> open();
    core::task<> close();

    void on_event(const cm_event& e) override;

    /// It was open, and its device or address was removed: it is reopened as soon as possible.
    bool waiting = false;

  private:
    rdma_transport& transport_;
    const std::shared_ptr<const nvmf::port> port_;
    rdma_cm_id* id_ = nullptr;
};

}  // namespace causeway::rdma
