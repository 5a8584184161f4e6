// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/ports.h"
#include "nvmf/transport.h"

#include <memory>
#include <vector>

namespace causeway::nvmf {

class subsystem;

/// One address of a subsystem, and what it requires from hosts.
struct listener {
    transport_address at;
    listen_options options;
    port_lease port{};  ///< empty until there is one for it
};

/// The listeners of one subsystem, which owns this: where hosts reach it. Control reactor.
class listeners {
  public:
    explicit listeners(subsystem& owner) : subsystem_(owner) {}

    /// EEXIST; ENODEV (no such transport); EINVAL (not an address, no secure channel there, or others share the address
    /// and do not agree on it); and listen()'s.
    core::task<core::result<>> add(transport_address at, listen_options options = {});
    /// Hosts that came in by it are sent away, and those of other listeners stay. Ends when their connections are gone
    /// and no listener at this address any more, unless other subsystems do. ENOENT; EINVAL: not an address.
    core::task<core::result<>> remove(transport_address at);
    /// all() is empty when the task first suspends. Connections stay. Ends when no port is open for them alone.
    core::task<> remove_all();

    const std::vector<std::shared_ptr<listener>>& all() const noexcept { return all_; }
    /// Whether a connection that `p` has accepted came in by one of them. The discovery subsystem is behind every port.
    bool admit(const port* p) const noexcept;

  private:
    std::vector<std::shared_ptr<listener>>::const_iterator find(const transport_address& at) const noexcept;

    subsystem& subsystem_;
    std::vector<std::shared_ptr<listener>> all_;
};

}  // namespace causeway::nvmf
