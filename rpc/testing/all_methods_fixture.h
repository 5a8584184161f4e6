// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every method of a gateway, on a target in virtual time: for tests and documents that are about all of them.

#include "bdev_nvme/testing/model_bus.h"
#include "rpc/bdev_nvme_service.h"
#include "rpc/bdev_rbd_service.h"
#include "rpc/config_replay.h"
#include "rpc/housekeeping_methods.h"
#include "rpc/notify_methods.h"
#include "rpc/testing/rpc_fixture.h"

#include <utility>
#include <vector>

namespace causeway::rpc::test {

class all_methods_fixture {
  public:
    /// `kinds`: of transports, beside LOOP and BROKEN.
    explicit all_methods_fixture(std::vector<nvmf::transport_kind> kinds = {}) : w(1, 2, std::move(kinds)) {
        add_bdev_methods(w.methods, w.config, bdevs);
        add_bdev_rbd_methods(w.methods, w.config, this->kinds, rbd_bdevs);
        add_bdev_nvme_methods(w.methods, w.config, this->kinds, nvme_bdevs);
        add_housekeeping_methods(w.methods);
        add_notify_methods(w.methods);
        add_failed_config_methods(w.methods, w.config, replay);
    }

    method_fixture w;
    device_kinds kinds;
    bdev_service bdevs{w.devices, w.homes, kinds};
    ceph::clusters clusters{w.sim.group()};
    bdev_rbd::disks images{w.devices, clusters, w.homes};
    bdev_rbd_service rbd_bdevs{images, clusters};
    bdev_nvme::testing::model_bus bus;
    bdev_nvme::controllers controllers{w.devices, bus};
    bdev_nvme_service nvme_bdevs{controllers, w.sim.group()};
    config_replay replay{w.sim.group().control(), w.methods, w.dispatcher, w.cycle};
};

}  // namespace causeway::rpc::test
