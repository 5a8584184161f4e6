// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/access.h"
#include "nvmf/model/ana_groups.h"
#include "nvmf/model/controllers.h"
#include "nvmf/model/listeners.h"
#include "nvmf/model/namespaces.h"
#include "nvmf/model/subsystem_options.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::nvmf {

struct target_state;

/// One NVM subsystem, in five parts: its namespaces, their ANA groups, where it can be reached, the hosts that may use
/// it, and its controllers. Control reactor.
///
/// Each part keeps its own rules and refers to the others by this class. What a part awaits keeps the subsystem alive.
class subsystem : public std::enable_shared_from_this<subsystem> {
  public:
    subsystem(target_state& shared, subsystem_options options);
    ~subsystem();

    /// As it was made; access() knows whether any host is allowed now.
    const subsystem_options& options() const noexcept { return options_; }
    /// By which operators know it.
    const std::string& nqn() const noexcept { return options_.nqn; }
    /// What hosts are told: of the discovery subsystem its unique NQN, if it has one.
    const std::string& reported_nqn() const noexcept {
        return options_.unique_nqn.empty() ? options_.nqn : options_.unique_nqn;
    }
    /// All by which hosts may connect to it.
    std::vector<std::string> nqns() const;
    bool is_discovery() const noexcept { return options_.discovery; }
    target_state& target() const noexcept { return state_; }

    nvmf::namespaces& namespaces() noexcept { return namespaces_; }
    const nvmf::namespaces& namespaces() const noexcept { return namespaces_; }
    nvmf::ana_groups& ana() noexcept { return ana_; }
    const nvmf::ana_groups& ana() const noexcept { return ana_; }
    nvmf::listeners& listeners() noexcept { return listeners_; }
    const nvmf::listeners& listeners() const noexcept { return listeners_; }
    nvmf::access& access() noexcept { return access_; }
    const nvmf::access& access() const noexcept { return access_; }
    nvmf::controllers& controllers() noexcept { return controllers_; }
    const nvmf::controllers& controllers() const noexcept { return controllers_; }

    /// Ends when the connections are gone, and the namespaces as namespaces::remove() says. REQUIRES: the target does
    /// not list it any more, unless it is the discovery subsystem at the end of the target.
    core::task<> close(disconnect_reason why);
    bool closing() const noexcept { return closing_; }

  private:
    target_state& state_;
    const subsystem_options options_;
    nvmf::namespaces namespaces_;
    nvmf::ana_groups ana_;  ///< outlives the listeners, whose states it knows
    nvmf::listeners listeners_;
    nvmf::access access_;
    nvmf::controllers controllers_;
    bool closing_ = false;
};

}  // namespace causeway::nvmf
