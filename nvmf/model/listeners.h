// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/ana_states.h"
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
    port_lease port{};                  ///< empty until there is one for it
    std::shared_ptr<ana_states> ana{};  ///< nullptr: the subsystem does not report ANA
};

/// The listeners of one subsystem, which owns this: where hosts reach it. Control reactor.
class listeners {
  public:
    using list = std::vector<std::shared_ptr<listener>>;

    explicit listeners(subsystem& owner) : subsystem_(owner) {}

    /// EEXIST; ENODEV (no such transport); EINVAL (not an address, no secure channel there, or others share the address
    /// and do not agree on it); and listen()'s.
    /// `initial` is the state of all ANA groups; EINVAL: ANA is not reported, and it is not `optimized`.
    core::task<core::result<>> add(transport_address at, listen_options options = {},
                                   nvme::ana_state initial = nvme::ana_state::optimized);
    /// Hosts that came in by it are sent away, and those of other listeners stay. Ends when their connections are gone
    /// and no listener at this address any more, unless other subsystems do. ENOENT; EINVAL: not an address.
    core::task<core::result<>> remove(transport_address at);
    /// all() is empty when the task first suspends. Connections stay. Ends when no port is open for them alone.
    core::task<> remove_all();

    const list& all() const noexcept { return all_; }
    /// Whether a connection that `p` has accepted came in by one of them. The discovery subsystem is behind every port.
    bool admit(const port* p) const noexcept;
    /// The listener whose connections `p` accepts; nullptr: none.
    const listener* of(const port* p) const noexcept;
    /// ENOENT; EINVAL: not an address.
    core::result<list::const_iterator> find_listener(transport_address at) const;

  private:
    list::const_iterator find(const transport_address& at) const noexcept;

    subsystem& subsystem_;
    list all_;
};

}  // namespace causeway::nvmf
