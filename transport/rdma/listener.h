#pragma once

#include "core/task.h"
#include "transport/ip/address.h"
#include "transport/rdma/cm_channel.h"

namespace causeway::rdma {

class rdma_transport;

/// An address at which hosts may connect. Several subsystems may share one. Lives on the control reactor.
class listener final : public cm_owner {
  public:
    listener(rdma_transport& transport, nvmf::transport_address at) : transport_(transport), at_(std::move(at)) {}

    const nvmf::transport_address& at() const noexcept { return at_; }
    /// The device that has the address; nullptr while not open, or where the address is a wildcard.
    ibv_context* verbs() const noexcept { return id_ ? id_->verbs : nullptr; }
    bool is_open() const noexcept { return id_ != nullptr; }

    /// ENODEV: no RDMA device has the address; EADDRNOTAVAIL, EADDRINUSE, EINVAL.
    core::task<core::result<>> open();
    core::task<> close();

    void on_event(const cm_event& e) override;

    unsigned uses = 0;
    /// It had been open, and its device or address went away: it is opened again as soon as that works.
    bool waiting = false;

  private:
    rdma_transport& transport_;
    const nvmf::transport_address at_;
    rdma_cm_id* id_ = nullptr;
};

}  // namespace causeway::rdma
