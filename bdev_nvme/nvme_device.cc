#include "bdev_nvme/nvme_device.h"

namespace causeway::bdev_nvme {

namespace {

/// A range may be 65,536 blocks long, all of them together what the device says.
bool can_copy(const bdev::io& i, const bdev::geometry& g) noexcept {
    if (i.sources.empty() || i.sources.size() > g.copy_sources || i.length_blocks > g.copy_blocks)
        return false;
    for (const bdev::copy_source& s : i.sources)
        if (s.length_blocks == 0 || s.length_blocks > g.copy_source_blocks)
            return false;
    return true;
}

}  // namespace

nvme_device::nvme_device(core::reactor_group& group, std::string name, std::shared_ptr<bdev_nvme::controller> of,
                         const namespace_facts& f)
    : device(group, std::move(name), f.shape, f.can, f.id), controller_(std::move(of)), facts_(f) {}

bool nvme_device::is_still(const namespace_facts& f) const noexcept {
    return f.id == facts_.id && f.shape.block_size == facts_.shape.block_size &&
           f.metadata_bytes == facts_.metadata_bytes;
}

void nvme_device::submit(bdev::io& i) noexcept {
    if (i.operation == bdev::op::copy && !can_copy(i, shape())) [[unlikely]]
        return i.complete(nvme::sc::command_size_limit_exceeded.with_dnr());
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
