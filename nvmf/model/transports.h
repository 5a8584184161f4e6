// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "nvmf/transport.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

struct key;

/// EINVAL: a command over `t` cannot carry a block of `d`.
core::result<> check_block_size(const bdev::device& d, const transport& t);

/// The transports of a target, one of each type. None is removed before the target ends. Control reactor.
class transports {
  public:
    /// REQUIRES: there is none of its type.
    void add(std::unique_ptr<transport> t) { all_.push_back(std::move(t)); }
    const std::vector<std::unique_ptr<transport>>& all() const noexcept { return all_; }
    /// nullptr: not found.
    transport* find(std::string_view trtype) const noexcept;

    /// EINVAL: one of the transports cannot carry a block of it.
    core::result<> check_block_size(const bdev::device& d) const;
    /// Passes a host's key for a subsystem with these NQNs to all transports, or to none. EINVAL: one of them has no
    /// use for such a key.
    core::result<> add_host_key(const std::vector<std::string>& subnqns, const std::string& hostnqn, const key& psk);
    void remove_host_key(const std::vector<std::string>& subnqns, const std::string& hostnqn) noexcept;

  private:
    std::vector<std::unique_ptr<transport>> all_;
};

}  // namespace causeway::nvmf
