// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/store.h"

namespace causeway::gateway {

/// Where the reservation of a device's namespace is kept: see nvmf::reservation::store_factory. nullptr for an RBD
/// image, also behind fault-injecting devices: other gateways may serve it, and would not know of the reservation.
std::unique_ptr<nvmf::reservation::store> make_reservation_store(core::reactor_group& group, const bdev::device& device,
                                                                 const std::string& file);

}  // namespace causeway::gateway
