// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport.h"

#include <memory>
#include <utility>

namespace causeway::nvmf {

/// A port, and how many listeners of subsystems share it. Control reactor, but for what is a port's.
struct open_port : port {
    unsigned users = 0;
};

/// A listener's use of a port. It is released once, when the lease is destroyed, whatever is awaited meanwhile. A port
/// without users stays open until target::close_unused_ports(). Control reactor.
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

}  // namespace causeway::nvmf
