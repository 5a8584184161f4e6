// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>

namespace causeway::nvmf {

/// The namespaces that have changed since a controller's host read the Changed Namespace List log page. NVM Express
/// Base Specification 2.0, "Changed Namespace List". Control reactor.
class changed_namespaces {
  public:
    void add(std::uint32_t nsid) {
        if (!too_many_)
            nsids_.insert(nsid);
        if (nsids_.size() > std::size(nvme::changed_namespace_list{}.nsid)) {
            too_many_ = true;
            nsids_.clear();
        }
    }
    void clear() noexcept {
        nsids_.clear();
        too_many_ = false;
    }
    /// The log page: all of them, or one entry that says that they are too many.
    nvme::changed_namespace_list page() const {
        nvme::changed_namespace_list list{};
        if (too_many_)
            list.nsid[0] = nvme::broadcast_nsid;
        std::copy(nsids_.begin(), nsids_.end(), list.nsid);
        return list;
    }

  private:
    std::set<std::uint32_t> nsids_;
    bool too_many_ = false;
};

}  // namespace causeway::nvmf
