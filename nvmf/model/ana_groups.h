// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/result.h"
#include "core/task.h"
#include "nvmf/model/ana_states.h"
#include "nvmf/port.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::nvmf {

class nvm_namespace;
class subsystem;

/// The ANA groups of one subsystem, which owns this: from 1 to its largest number of namespaces. NVM Express Base
/// Specification 2.0, "Asymmetric Namespace Access Reporting". Control reactor.
///
/// A change is one step on every core: commands that the core has begun to execute end as they were admitted, and what
/// comes after gets the answer of the new state. Nothing is paused, and no disk is waited for. When a change has ended,
/// no command is admitted by the old state any more; then hosts are notified.
class ana_groups {
  public:
    explicit ana_groups(subsystem& owner) : subsystem_(owner) {}

    /// Hosts are told of ANA states. Otherwise every path is an optimized one, and nothing else here has an effect.
    bool reported() const noexcept;
    std::uint32_t count() const noexcept;

    /// For a new listener, with all groups in one state; nullptr where ANA is not reported.
    std::shared_ptr<ana_states> make_states(nvme::ana_state initial);

    /// Of one listener; of all groups where `group` is 0. ENOENT: no such listener; EINVAL: no such group, ANA is not
    /// reported, or a group would leave persistent loss, which is final.
    core::task<core::result<>> set_state(transport_address at, nvme::ana_state to, std::uint32_t group);
    /// ENODEV: no such namespace; EINVAL: no such group, or ANA is not reported.
    core::task<core::result<>> move_namespace(std::uint32_t nsid, std::uint32_t group);

    /// EINVAL: no such group, or ANA is not reported. 0 is good: nobody has named one.
    core::result<> check_group_of_namespace(std::uint32_t group) const;
    /// A namespace comes that no core knows yet.
    void join(nvm_namespace& ns, std::uint32_t group) const noexcept;
    /// The group has one namespace more or less. Hosts are notified of that otherwise.
    void namespaces_changed(std::uint32_t group) noexcept;
    /// Ends when every core has the refusal bits that the states and their readers require now.
    core::task<> settle();

  private:
    friend class ana_states;
    using namespace_list = std::vector<std::shared_ptr<nvm_namespace>>;
    void enlist(ana_states& s) { all_.push_back(&s); }
    void delist(ana_states& s);
    /// A controller has read the log, or is gone: bits may be clear again. Begins that and does not wait for it.
    void review();
    core::task<> settle_reviewed();
    /// Whether any controller may be refused on a namespace of this group.
    bool may_refuse(std::uint32_t group) const noexcept;
    namespace_list unsettled() const;
    namespace_list of_groups(const std::vector<std::uint32_t>& groups) const;
    core::task<> update_cores(namespace_list changed);
    void announce(const namespace_list& of, const ana_states* only) const;

    subsystem& subsystem_;
    std::vector<ana_states*> all_;  ///< of listeners, and of controllers whose listener is gone
    core::async_mutex changes_;     ///< one at a time, so that each core sees them in their order
    bool review_waits_ = false;     ///< for its turn; it will look at all that has happened until then
};

}  // namespace causeway::nvmf
