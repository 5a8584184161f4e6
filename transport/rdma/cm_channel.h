// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <rdma/rdma_cma.h>
#include <span>

namespace causeway::rdma {

/// A copy of a connection manager event. The original is acknowledged before the event is handled, because an id cannot
/// be destroyed while one of its events is unacknowledged.
struct cm_event {
    rdma_cm_event_type type;
    int status;
    rdma_cm_id* id;  ///< of a connection request: the new one
    std::uint8_t reads = 0;
    std::array<std::byte, 256> data{};
    std::size_t data_size = 0;

    std::span<const std::byte> private_data() const noexcept { return {data.data(), data_size}; }
};

/// The object that an id's context points to.
class cm_owner {
  public:
    virtual ~cm_owner() = default;
    /// On the control reactor. May destroy the owner.
    virtual void on_event(const cm_event& e) = 0;
};

/// Where connection manager events come from. Lives on the control reactor.
class cm_channel {
  public:
    /// ENODEV: this machine has no RDMA.
    static core::result<std::unique_ptr<cm_channel>> open(core::reactor& control);
    ~cm_channel();
    cm_channel(const cm_channel&) = delete;

    rdma_event_channel* get() const noexcept { return channel_; }

  private:
    cm_channel(core::reactor& control, rdma_event_channel* channel);
    void take_events();

    rdma_event_channel* channel_;
    core::fd_watch watch_;
};

}  // namespace causeway::rdma
