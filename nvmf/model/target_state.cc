// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/target_state.h"

#include "nvmf/model/discovery.h"
#include "nvmf/model/subsystem.h"

#include <utility>

namespace causeway::nvmf {

target_state::target_state(core::reactor_group& all, bdev::registry& registry, const discovery_limits& limits,
                           const discovery_filter& filter, const retry_delays& delays,
                           const auth_algorithms& algorithms, reservation::store_factory stores)
    : group(all), devices(registry), crdt(delays), auth(algorithms), reservation_stores(std::move(stores)),
      referrals(*this), discovery_log(std::make_shared<nvmf::discovery_log>(*this, limits, filter)) {}

target_state::~target_state() = default;

}  // namespace causeway::nvmf
