// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/nvme_device.h"

#include <algorithm>

namespace causeway::bdev_nvme {

namespace {

/// What no command can say: device::start() has looked at the limits alone.
bool says_nothing(const bdev::io& i) noexcept {
    return i.sources.empty() ||
           std::ranges::any_of(i.sources, [](const bdev::copy_source& s) { return s.length_blocks == 0; });
}

}  // namespace

nvme_device::nvme_device(core::reactor_group& group, std::string name, std::shared_ptr<bdev_nvme::controller> of,
                         const namespace_info& f)
    : device(group, std::move(name), f.geometry, f.capabilities, f.id), controller_(std::move(of)), info_(f) {}

bool nvme_device::is_still(const namespace_info& f) const noexcept {
    bdev::device_geometry geometry = f.geometry;
    geometry.blocks = info_.geometry.blocks;
    return f.id == info_.id && f.metadata_bytes == info_.metadata_bytes && geometry == info_.geometry &&
           f.capabilities == info_.capabilities && f.target == info_.target;
}

void nvme_device::submit(bdev::io& i) noexcept {
    if (i.operation == bdev::op::copy && says_nothing(i)) [[unlikely]]
        return i.complete(nvme::sc::invalid_field.with_dnr());
    queue_pair& q = controller_->queue_for(i.origin->index());
    if (&q.home() == i.origin) [[likely]]
        return q.submit(i, info_.target);
    // The controller has fewer queues than there are cores.
    i.handle = [](core::message& m) noexcept {
        auto& i = static_cast<bdev::io&>(m);
        auto& self = static_cast<nvme_device&>(*i.owner);
        self.controller_->queue_for(i.origin->index()).submit(i, self.info_.target);
    };
    q.home().post(i);
}

}  // namespace causeway::bdev_nvme
