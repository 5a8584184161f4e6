// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/reactor_group.h"
#include "nvmf/model/auth_state.h"
#include "nvmf/model/host_numbers.h"
#include "nvmf/model/ports.h"
#include "nvmf/model/referrals.h"
#include "nvmf/model/target_options.h"
#include "nvmf/model/transports.h"

#include <memory>
#include <vector>

namespace causeway::nvmf {

class subsystem;

/// What the subsystems of a target share: where they live, what they are reached by, and each other. The target makes
/// and fills it; it outlives every subsystem. Control reactor.
struct target_state {
    target_state(core::reactor_group& group, bdev::registry& devices, const target_options& options);
    ~target_state();

    subsystem& discovery() const noexcept { return *discovery_subsystem; }

    core::reactor_group& group;
    bdev::registry& devices;
    const retry_delays crdt;
    auth_state auth;
    const reservation::store_factory reservation_stores;
    nvmf::transports transports;
    std::shared_ptr<subsystem> discovery_subsystem;      ///< closed, once it has been deleted
    std::vector<std::shared_ptr<subsystem>> subsystems;  ///< discovery first, unless it has been deleted
    nvmf::ports ports;
    nvmf::host_numbers host_numbers;
    nvmf::referrals referrals;
    const std::shared_ptr<nvmf::discovery_log> discovery_log;
};

}  // namespace causeway::nvmf
