// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "core/task.h"
#include "host/address.h"
#include "host/queue_pair.h"

#include <functional>
#include <memory>
#include <optional>
#include <rdma/rdma_cma.h>

namespace causeway::host {

/// A host's side of the RDMA connection manager: an id with an event channel of its own. The queue pair on it is its
/// user's, made between resolve() and connect(), destroyed before this object. On one reactor.
class rdma_cm {
  public:
    explicit rdma_cm(core::nanoseconds timeout) : timeout_(timeout) {}
    ~rdma_cm();
    rdma_cm(const rdma_cm&) = delete;

    /// Finds the device and the way to the target.
    core::task<core::result<>> resolve(const address& to);
    /// Requests the connection. The error contains the reason of the target's rejection.
    core::task<core::result<>> connect(const queue_pair_options& o);
    void disconnect() noexcept { rdma_disconnect(id_); }

    rdma_cm_id* id() const noexcept { return id_; }
    /// From connect() on: the connection is over.
    std::function<void(const char* why)> on_over;

  private:
    /// What connect() needs to know of an event, which is released at once.
    struct event {
        rdma_cm_event_type type;
        int status;
        std::uint16_t rejection;  ///< rdma_cm_status; 0: none was given
    };
    core::task<std::optional<event>> next();
    void take_events();

    const core::nanoseconds timeout_;
    rdma_event_channel* channel_ = nullptr;
    rdma_cm_id* id_ = nullptr;
    std::optional<core::fd_watch> watch_;
    core::one_shot<std::optional<event>>* waiting_ = nullptr;
};

}  // namespace causeway::host
