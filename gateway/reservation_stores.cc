// SPDX-License-Identifier: Apache-2.0
#include "gateway/reservation_stores.h"

#include "bdev/fault_device.h"
#include "bdev_rbd/rbd_device.h"
#include "core/log.h"
#include "gateway/shared_reservation.h"
#include "nvmf/reservation/file_store.h"

#include <utility>

namespace causeway::gateway {

std::unique_ptr<nvmf::reservation::store> make_reservation_store(core::reactor_group& group,
                                                                 std::shared_ptr<nvmf::reservation::file_threads> files,
                                                                 bdev::device& device, const std::string& file) {
    bdev::device* medium = &device;
    while (const auto* fault = dynamic_cast<const bdev::fault_device*>(medium))
        medium = &fault->base();
    auto* const image = dynamic_cast<bdev_rbd::rbd_device*>(medium);
    if (!image)
        return nvmf::reservation::make_local_store_on(std::move(files), device, file);
    if (!file.empty())
        core::log::warning("{}: not using ptpl_file {}: the reservation of an RBD image is kept in its pool, where all "
                           "gateways find it",
                           device.name(), file);
    return make_shared_reservation_store(group, *image);
}

}  // namespace causeway::gateway
