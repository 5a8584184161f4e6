// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/reactor_group.h"
#include "nvmf/model/auth_state.h"
#include "nvmf/model/host_numbers.h"
#include "nvmf/model/ports.h"
#include "nvmf/model/referrals.h"
#include "nvmf/model/transports.h"
#include "nvmf/reservation/store.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::nvmf {

class discovery_log;
class subsystem;
struct discovery_filter;
struct discovery_limits;

/// CRDT1 to CRDT3 of Identify Controller, in units of 100 ms.
using retry_delays = std::array<std::uint16_t, 3>;

/// What the subsystems of a target share: where they live, what they are reached by, and each other. The target makes
/// and fills it; it outlives every subsystem. Control reactor.
struct target_state {
    target_state(core::reactor_group& group, bdev::registry& devices, const discovery_limits& limits,
                 const discovery_filter& filter, const retry_delays& crdt, const auth_algorithms& algorithms,
                 reservation::store_factory stores);
    ~target_state();

    subsystem& discovery() const noexcept { return *subsystems.front(); }

    core::reactor_group& group;
    bdev::registry& devices;
    const retry_delays crdt;
    auth_state auth;
    const reservation::store_factory reservation_stores;
    nvmf::transports transports;
    std::vector<std::shared_ptr<subsystem>> subsystems;  ///< discovery first
    nvmf::ports ports;
    nvmf::host_numbers host_numbers;
    nvmf::referrals referrals;
    const std::shared_ptr<nvmf::discovery_log> discovery_log;
};

}  // namespace causeway::nvmf
