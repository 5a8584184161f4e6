// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/file_threads.h"
#include "nvmf/reservation/store.h"

#include <memory>
#include <string>

namespace causeway::gateway {

/// Where the reservation of a device's namespace is kept: see nvmf::reservation::store_factory. That of an RBD image,
/// also behind fault-injecting devices, in its pool, because other gateways may serve it. `files`: where files are read
/// and written.
std::unique_ptr<nvmf::reservation::store> make_reservation_store(core::reactor_group& group,
                                                                 std::shared_ptr<nvmf::reservation::file_threads> files,
                                                                 bdev::device& device, const std::string& file);

}  // namespace causeway::gateway
