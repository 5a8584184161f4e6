// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/target_state.h"

#include "nvmf/model/subsystem.h"

namespace causeway::nvmf {

target_state::target_state(core::reactor_group& all, bdev::registry& registry, const target_options& options)
    : group(all), devices(registry), crdt(options.crdt), auth(options.auth),
      reservation_stores(options.reservation_stores), referrals(*this),
      discovery_log(std::make_shared<nvmf::discovery_log>(*this, options.discovery, options.filter)) {}

target_state::~target_state() = default;

}  // namespace causeway::nvmf
