// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/host_numbers.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace causeway::nvmf {

/// The hosts that see a namespace: all hosts of its subsystem, or those on a list. For another host the nsid is
/// inactive. Immutable; any reactor, but for list().
class visible_hosts {
  public:
    using host_list = std::map<std::string, host_numbers::lease>;  ///< by NQN

    static visible_hosts all() { return visible_hosts(true, {}); }
    static visible_hosts only(host_list hosts) { return visible_hosts(false, std::move(hosts)); }

    bool are_all() const noexcept { return all_; }
    /// Empty where all hosts see it. Control reactor.
    const host_list& list() const noexcept { return list_; }
    /// Whether the host with this number is one of them; see host_numbers.
    bool contains(std::uint64_t host_number) const noexcept {
        return all_ || std::binary_search(numbers_.begin(), numbers_.end(), host_number);
    }

  private:
    visible_hosts(bool all, host_list hosts) : all_(all), list_(std::move(hosts)) {
        for (const auto& [nqn, number] : list_)
            numbers_.push_back(*number);
        std::sort(numbers_.begin(), numbers_.end());
    }

    bool all_;
    host_list list_;
    std::vector<std::uint64_t> numbers_;  ///< of list_, sorted
};

}  // namespace causeway::nvmf
