// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "nvme/log_page.h"
#include "nvmf/port.h"
#include "nvmf/target.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::rpc {

/// RDMA listeners that stand beside TCP listeners, for control planes that know of TCP alone: whatever is done to a TCP
/// listener is done to its mirror. An operator sees mirrors wherever listeners are listed, except in saved
/// configurations, which make them again by their TCP listeners. Control reactor.
///
/// Listeners with TLS have none: RDMA has no TLS. Where there is no RDMA device, the TCP listener stands alone and the
/// log says so.
class listener_mirrors {
  public:
    /// From now on, at this port; empty: at that of the TCP listener.
    void enable(std::string port) { port_ = std::move(port); }

    /// After this TCP listener was added: adds its mirror, with the same ANA states.
    core::task<> added(nvmf::target& target, std::string nqn, nvmf::transport_address at);
    /// After it was removed.
    core::task<> removed(nvmf::target& target, std::string nqn, nvmf::transport_address at);
    /// After the ANA state of its groups was changed; 0: of all.
    core::task<> ana_state_set(nvmf::target& target, std::string nqn, nvmf::transport_address at, nvme::ana_state state,
                               std::uint32_t group);
    /// The subsystem is being deleted, and its listeners with it.
    void subsystem_deleted(const std::string& nqn);

    /// The TCP listener that the one at `at` mirrors; nullptr: it is none's mirror.
    const nvmf::transport_address* mirrored_by(const std::string& nqn, const nvmf::transport_address& at) const;
    /// It stays, whatever becomes of its TCP listener: an operator has added it himself. False: it is none's mirror.
    bool adopt(const std::string& nqn, const nvmf::transport_address& at);

  private:
    struct mirror {
        std::string nqn;
        nvmf::transport_address at;
        nvmf::transport_address of;  ///< more than one TCP listener may have it: then this is the first one
    };
    std::vector<mirror>::iterator find(const std::string& nqn, const nvmf::transport_address& of);
    core::task<> copy_ana_states(nvmf::target& target, std::string nqn, nvmf::transport_address from,
                                 nvmf::transport_address to);

    std::optional<std::string> port_;  ///< nullopt: there are no mirrors
    std::vector<mirror> all_;
};

}  // namespace causeway::rpc
