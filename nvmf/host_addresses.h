// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/background.h"
#include "nvmf/host_network.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

namespace causeway::nvmf {

/// The addresses that hosts come from, each a party of the control reactor's work: known while a queue pair from there
/// is connected, or connects. Of IPv6 they are subnets, see host_network_of(). Not host NQNs, for anybody may use any
/// number of those, and others'. Control reactor.
class host_addresses {
  public:
    /// REQUIRES: released on the control reactor, while this exists.
    std::shared_ptr<core::background_party> party_of(const std::string& traddr) {
        const std::string network = host_network_of(traddr);
        std::weak_ptr<core::background_party>& known = parties_[network];
        if (auto party = known.lock())
            return party;
        const auto remove = [this, network](core::background_party* p) {
            parties_.erase(network);
            delete p;
        };
        const std::shared_ptr<core::background_party> made(new core::background_party, remove);
        known = made;
        return made;
    }

    std::size_t size() const noexcept { return parties_.size(); }

  private:
    std::unordered_map<std::string, std::weak_ptr<core::background_party>> parties_;
};

/// Of one queue pair, on the control reactor: its Connect, or its admin commands, that wait there.
class control_queue final : public core::background_queue {
  public:
    /// Before anything is posted to it. On the queue pair's core.
    void come_from(host_addresses& all, std::string traddr) {
        addresses_ = &all;
        traddr_ = std::move(traddr);
    }

  private:
    std::shared_ptr<core::background_party> find_party() override { return addresses_->party_of(traddr_); }

    host_addresses* addresses_ = nullptr;
    std::string traddr_;
};

}  // namespace causeway::nvmf
