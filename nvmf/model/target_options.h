// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/auth_exchange.h"
#include "nvmf/model/discovery.h"
#include "nvmf/reservation/store.h"

#include <array>
#include <cstdint>
#include <string>

namespace causeway::nvmf {

/// CRDT1 to CRDT3 of Identify Controller, in units of 100 ms.
using retry_delays = std::array<std::uint16_t, 3>;

/// What an operator sets for a target as a whole, before it is made.
struct target_options {
    std::uint32_t max_subsystems = 1024;
    retry_delays crdt{};
    discovery_limits discovery{};
    discovery_filter filter{};  ///< of the discovery log
    /// Of the discovery subsystem, which answers to the well-known one besides (TP 8013, NVM Express Base Specification
    /// 2.0, "Discovery Service"): an NQN that no other discovery subsystem has. Empty: it has the well-known one only.
    std::string discovery_nqn{};
    auth_algorithms auth{};  ///< for in-band authentication
    /// Where reservations are kept, by device.
    reservation::store_factory reservation_stores = reservation::make_local_store;
};

}  // namespace causeway::nvmf
