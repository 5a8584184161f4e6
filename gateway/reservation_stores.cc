// SPDX-License-Identifier: Apache-2.0
#include "gateway/reservation_stores.h"

#include "bdev/fault_device.h"
#include "bdev_rbd/rbd_device.h"
#include "core/log.h"

namespace causeway::gateway {

std::unique_ptr<nvmf::reservation::store> make_reservation_store(core::reactor_group& group, const bdev::device& device,
                                                                 const std::string& file) {
    const bdev::device* medium = &device;
    while (const auto* fault = dynamic_cast<const bdev::fault_device*>(medium))
        medium = &fault->base();
    if (!dynamic_cast<const bdev_rbd::rbd_device*>(medium))
        return nvmf::reservation::make_local_store(group, device, file);
    if (!file.empty())
        core::log::warning("{}: not using ptpl_file {}: RBD images have no reservations, because other gateways would "
                           "not enforce them",
                           device.name(), file);
    return nullptr;
}

}  // namespace causeway::gateway
