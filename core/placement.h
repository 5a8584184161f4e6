// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace causeway::core {

/// How cores are assigned to disks (their main threads) and connections.
enum class placement_policy : std::uint8_t {
    round_robin,   ///< to each core in turn (the default)
    least_loaded,  ///< to the core that has fewest of them, the least busy one among equals
    first,         ///< all to the first core: the known-bad behaviour, kept so that the difference can be measured
};

std::optional<placement_policy> placement_policy_from(std::string_view name) noexcept;
std::string_view to_string(placement_policy p) noexcept;

/// Hands out the cores of a group. Lives on the control reactor.
class placement {
  public:
    placement(const reactor_group& group, placement_policy policy);

    placement_policy policy() const noexcept { return policy_; }
    /// The core for the next thing. Counted there until released.
    reactor& pick() noexcept;
    void release(const reactor& r) noexcept;
    unsigned count_on(std::size_t core) const noexcept { return counts_[core]; }

  private:
    std::size_t choose() noexcept;

    const reactor_group& group_;
    const placement_policy policy_;
    std::vector<unsigned> counts_;
    std::size_t next_ = 0;
};

}  // namespace causeway::core
