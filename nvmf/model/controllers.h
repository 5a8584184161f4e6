// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "nvmf/reservation/state.h"
#include "nvmf/transport.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace causeway::nvmf {

class controller;
class namespaces;
class nvm_namespace;
class subsystem;

/// The controllers of one subsystem, which owns this: the hosts that are connected. Control reactor.
///
/// No two of them have the same cntlid. One leaves when it ends; its queue pairs keep it as long as they need it.
class controllers {
  public:
    using map = std::map<std::uint16_t, std::shared_ptr<controller>>;  ///< by cntlid

    controllers(subsystem& owner, std::uint16_t first_cntlid) : subsystem_(owner), next_cntlid_(first_cntlid) {}

    /// For Connect, by one of the subsystem's NQNs. nullptr: no cntlid is free.
    std::shared_ptr<controller> make(transport& fabric, core::reactor& admin_queue, std::string host_nqn,
                                     std::string subnqn, const std::array<std::uint8_t, 16>& host_id,
                                     host_identity proved);
    /// A controller that ends leaves. Does nothing if it has left.
    void remove(const controller& c) noexcept;

    const map& all() const noexcept { return all_; }
    template <class Which>
    std::vector<std::shared_ptr<controller>> where(Which which) const {
        std::vector<std::shared_ptr<controller>> found;
        for (const auto& [cntlid, c] : all_)
            if (which(*c))
                found.push_back(c);
        return found;
    }

    /// Ends these at once, and waits until their connections are gone.
    core::task<> end(std::vector<std::shared_ptr<controller>> ending, disconnect_reason why);
    core::task<> end_all(disconnect_reason why);

    /// To the hosts that see it, or saw it until it was removed.
    void announce_namespace_change(const nvm_namespace& ns);
    void announce_reservation(const nvm_namespace& ns, const std::vector<reservation::notification>& what);
    /// The critical warnings, as they are now, of the media that each host sees.
    void announce_warnings(const namespaces& of);

  private:
    subsystem& subsystem_;
    map all_;
    std::uint16_t next_cntlid_;
};

}  // namespace causeway::nvmf
