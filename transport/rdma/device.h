// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/condition_variable.h"
#include "core/counter_registry.h"
#include "core/gate.h"
#include "core/reactor.h"
#include "core/task.h"
#include "transport/common/connection_limiter.h"
#include "transport/common/core_groups.h"
#include "transport/rdma/device_limits.h"
#include "transport/rdma/poll_group.h"
#include "transport/rdma/receive_quota.h"
#include "transport/rdma/verbs.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::rdma {

/// An RDMA device as librdmacm has opened it: its protection domain, its asynchronous events and its poll group on
/// each core. Lives on the control reactor.
class device {
  public:
    /// Called on the control reactor.
    struct events {
        std::function<void(device&)> fatal;
        /// `context` is the queue pair's.
        std::function<void(void* context, ibv_event_type)> queue_pair;
    };

    static core::result<std::unique_ptr<device>> open(ibv_context* context, nvmf::target& target,
                                                      const transport_options& options, events handlers);
    ~device();

    ibv_context* context() const noexcept { return context_; }
    ibv_pd* pd() const noexcept { return pd_.get(); }
    const device_limits& limits() const noexcept { return limits_; }
    const std::string& name() const noexcept { return name_; }

    /// The poll group on `r`, made if there is none yet.
    core::task<core::result<poll_group*>> group_on(core::reactor& r) { return groups_.on(r); }
    std::uint64_t buffer_waits(std::size_t core) const noexcept { return groups_.buffer_waits(core); }

    /// No new work starts on it.
    void mark_lost() noexcept;
    bool lost() const noexcept { return lost_; }
    /// Releases all verbs objects; memory that commands may still use stays. REQUIRES: no connection has a queue pair.
    core::task<> release_verbs();

    /// Receives of its cores, by the peers that they are promised to.
    receive_quota& quota() noexcept { return quota_; }

    /// Connections that have room on this device: those without a Connect may have to make room for others.
    common::connection_limiter& limiter() noexcept { return limiter_; }
    /// Held by the connection that looks for room.
    core::async_mutex& settling() noexcept { return settling_; }
    /// For a connection of `host` (ip::host_key): the host that has most connections without a Connect loses the oldest
    /// of them. Ends when that has released its room. False: none has more of them than `host`.
    core::task<bool> make_room_for(std::uint64_t host);
    /// A connection has released receives and completions.
    void on_room_released();

    /// What a connection holds from its beginning until it has released all that is the device's.
    core::gate::holder hold_queue_pair() noexcept { return queue_pairs_.hold(); }
    /// REQUIRES: mark_lost(). Ends when no connection holds anything of the device's.
    core::task<> without_queue_pairs() { co_await queue_pairs_.close(); }

    unsigned connections = 0;  ///< that refer to this device
    bool released = false;     ///< lost, and all is released

  private:
    device(ibv_context* context, pd_ptr pd, const device_limits& limits, nvmf::target& target,
           const transport_options& options, events handlers);
    void register_counters();
    void take_events() noexcept;
    void handle(const ibv_async_event& e);

    ibv_context* context_;
    const std::string name_;
    pd_ptr pd_;
    const device_limits limits_;
    receive_quota quota_;
    common::connection_limiter limiter_{common::connection_limits{}};
    core::async_mutex settling_;
    std::uint64_t rooms_released_ = 0;  ///< times that a connection has
    core::condition_variable room_released_;
    nvmf::target& target_;
    const transport_options& options_;
    events handlers_;
    bool lost_ = false;
    core::gate queue_pairs_;
    common::core_groups<poll_group> groups_;
    core::counter_registration counted_groups_, counted_receives_;
    std::optional<core::fd_watch> watch_;
};

}  // namespace causeway::rdma
