// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/gate.h"
#include "core/task.h"
#include "core/timer.h"
#include "nvme/log_page.h"
#include "nvmf/model/listeners.h"
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
/// Listeners with TLS have none: RDMA has no TLS. Where RDMA cannot listen, the TCP listener stands alone, the log says
/// so once, and its mirror is tried again until it is there.
class listener_mirrors {
  public:
    /// From now on, at this port; empty: at that of the TCP listener.
    void enable(std::string port) { port_ = std::move(port); }

    /// After this TCP listener was added: adds its mirror, with the same ANA states.
    core::task<> added(nvmf::target& target, std::string nqn, nvmf::transport_address at);
    /// When it is removed, or has been. Where another TCP listener has the same mirror, that one keeps it, with its own
    /// ANA states. Ends when the mirror's connections are gone.
    core::task<> removed(nvmf::target& target, std::string nqn, nvmf::transport_address at);
    /// After the ANA state of its groups was changed; 0: of all.
    core::task<> ana_state_set(nvmf::target& target, std::string nqn, nvmf::transport_address at, nvme::ana_state state,
                               std::uint32_t group);
    /// The subsystem is being deleted, and its listeners with it.
    void subsystem_deleted(const std::string& nqn);
    /// Tries once more to add those that could not be added, as is done from time to time anyway.
    core::task<> complete(nvmf::target& target);
    /// Nothing is tried again from now on. Ends when nothing is being tried. REQUIRES: before the target is gone.
    core::task<> stop();

    /// The TCP listener that the one at `at` mirrors; nullptr: it is none's mirror.
    const nvmf::transport_address* mirrored_by(const std::string& nqn, const nvmf::transport_address& at) const;
    /// Whether hosts reach the mirror at `at` already. REQUIRES: there is one.
    bool listens(const std::string& nqn, const nvmf::transport_address& at) const;
    /// It stays, whatever becomes of its TCP listener: an operator has added it himself. False: it is none's mirror.
    bool adopt(const std::string& nqn, const nvmf::transport_address& at);

  private:
    struct mirror {
        std::uint64_t number;  ///< tells it from others that are at the same address before and after it
        std::string nqn;
        nvmf::transport_address at;
        nvmf::transport_address of;  ///< more than one TCP listener may have it: then this is one of them
        bool listens = false;
    };
    struct missing_mirror {
        std::string nqn;
        nvmf::transport_address of;

        bool operator==(const missing_mirror&) const = default;
    };
    std::vector<mirror>::iterator find(const std::string& nqn, const nvmf::transport_address& of);
    std::vector<mirror>::iterator find(std::uint64_t number);
    nvmf::transport_address place_beside(const nvmf::target& target, nvmf::transport_address tcp) const;
    std::shared_ptr<nvmf::listener> find_heir(const nvmf::target& target, const mirror& m) const;
    core::task<> copy_ana_states(nvmf::target& target, std::string nqn, nvmf::transport_address from,
                                 nvmf::transport_address to);
    void miss(nvmf::target& target, missing_mirror which, const core::error& why);

    std::optional<std::string> port_;  ///< nullopt: there are no mirrors
    std::vector<mirror> all_;
    std::uint64_t last_number_ = 0;
    std::vector<missing_mirror> missing_;  ///< those that could not be added when they should have been
    core::gate tasks_;                     ///< complete() under way
    core::nanoseconds delay_{};            ///< before the next attempt at the missing ones
    std::optional<core::timer> retry_;     ///< until stop()
};

}  // namespace causeway::rpc
