// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace causeway::nvmf {

/// A port, and how many listeners of subsystems share it. Control reactor, but for what is a port's.
struct open_port : port {
    unsigned users = 0;
};

/// A listener's use of a port. It is released once, when the lease is destroyed, whatever is awaited meanwhile. A port
/// without users stays open until ports::close_unused(). Control reactor.
class port_lease {
  public:
    port_lease() noexcept = default;
    explicit port_lease(std::shared_ptr<open_port> of) noexcept : port_(std::move(of)) { ++port_->users; }
    port_lease(port_lease&& other) noexcept = default;
    port_lease& operator=(port_lease&& other) noexcept {
        port_lease(std::move(other)).port_.swap(port_);
        return *this;
    }
    ~port_lease() {
        if (port_)
            --port_->users;
    }

    std::shared_ptr<const port> shared() const noexcept { return port_; }
    const port* get() const noexcept { return port_.get(); }  ///< nullptr: none yet, or released

  private:
    std::shared_ptr<open_port> port_;
};

/// The addresses where transports listen. One that several subsystems listen at is one port, on whose options they
/// agree. A transport opens and closes one port at a time. Control reactor.
class ports {
  public:
    /// Opens the port, unless it is open. Fills `lease` before the first connection can come; empty where it fails.
    /// EINVAL (no secure channel there, or others have leased it with other options), and transport::listen()'s.
    core::task<core::result<>> lease(transport& fabric, transport_address at, listen_options options,
                                     port_lease& lease);
    /// Ends when the ports of this transport without leases have stopped listening.
    core::task<> close_unused(transport& fabric);

  private:
    core::task<core::result<>> lease_in_turn(transport& fabric, transport_address at, listen_options options,
                                             port_lease& lease);
    std::shared_ptr<open_port> find(const transport_address& at) const noexcept;
    std::uint16_t free_id() noexcept;

    std::vector<std::shared_ptr<open_port>> ports_;
    std::map<const transport*, core::async_mutex> changes_;  ///< one at a time for each transport
    std::uint16_t last_id_ = 0;
};

}  // namespace causeway::nvmf
