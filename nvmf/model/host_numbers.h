// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace causeway::nvmf {

/// A number for each host that has a controller, by which cores account for its buffers. A host keeps its number as
/// long as it has a controller; numbers are never reused and never 0. Control reactor.
class host_numbers {
  public:
    using lease = std::shared_ptr<const std::uint64_t>;

    lease of(const std::string& hostnqn) {
        if (const auto known = leases_.find(hostnqn); known != leases_.end())
            if (auto number = known->second.lock())
                return number;
        std::erase_if(leases_, [](const auto& entry) { return entry.second.expired(); });
        auto number = std::make_shared<const std::uint64_t>(++last_);
        leases_.emplace(hostnqn, number);
        return number;
    }

  private:
    std::map<std::string, std::weak_ptr<const std::uint64_t>> leases_;
    std::uint64_t last_ = 0;
};

}  // namespace causeway::nvmf
