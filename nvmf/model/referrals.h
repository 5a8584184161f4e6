// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/model/discovery_page.h"
#include "nvmf/port.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::nvmf {

struct target_state;

/// Another discovery service, or a subsystem of another target, that the discovery log refers hosts to.
struct referral {
    transport_address at;
    std::string subnqn;  ///< the well-known NQN of discovery: a discovery service
    bool secure_channel = false;
};

/// The referrals of a target: entries of the discovery log of every host. NVMe over Fabrics 1.1, "Discovery Log Page
/// Entry", SUBTYPE 1. Control reactor.
class referrals {
  public:
    explicit referrals(target_state& shared) : state_(shared) {}

    /// Takes the place of one with the same address and NQN. EINVAL: not an address that hosts could use, or not an
    /// NQN.
    core::result<> add(referral r);
    /// ENOENT; EINVAL.
    core::result<> remove(transport_address at, const std::string& subnqn);

    const std::vector<referral>& all() const noexcept { return all_; }
    /// In the order of all().
    const std::vector<std::shared_ptr<const discovery_entry>>& entries() const noexcept { return entries_; }

  private:
    core::result<transport_address> normalized(transport_address at) const;
    std::shared_ptr<const discovery_entry> describe(const referral& r) const;
    std::size_t find(const transport_address& at, const std::string& subnqn) const noexcept;

    target_state& state_;
    std::vector<referral> all_;
    std::vector<std::shared_ptr<const discovery_entry>> entries_;
};

}  // namespace causeway::nvmf
