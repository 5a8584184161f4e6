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
                         const namespace_facts& f)
    : device(group, std::move(name), f.shape, f.can, f.id), controller_(std::move(of)), facts_(f) {}

bool nvme_device::is_still(const namespace_facts& f) const noexcept {
    bdev::geometry shape = f.shape;
    shape.blocks = facts_.shape.blocks;
    return f.id == facts_.id && f.metadata_bytes == facts_.metadata_bytes && shape == facts_.shape &&
           f.can == facts_.can && f.target == facts_.target;
}

void nvme_device::submit(bdev::io& i) noexcept {
    if (i.operation == bdev::op::copy && says_nothing(i)) [[unlikely]]
        return i.complete(nvme::sc::invalid_field.with_dnr());
    queue_pair& q = controller_->queue_for(i.origin->index());
    if (&q.home() == i.origin) [[likely]]
        return q.submit(i, facts_.target);
    // The controller has fewer queues than there are cores.
    i.handle = [](core::message& m) noexcept {
        auto& i = static_cast<bdev::io&>(m);
        auto& self = static_cast<nvme_device&>(*i.owner);
        self.controller_->queue_for(i.origin->index()).submit(i, self.facts_.target);
    };
    q.home().post(i);
}

}  // namespace causeway::bdev_nvme
