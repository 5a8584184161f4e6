// SPDX-License-Identifier: Apache-2.0
#include "bdev/device.h"

#include <atomic>
#include <cassert>

namespace causeway::bdev {

device::device(core::reactor_group& group, std::string name, device_geometry g, device_capabilities c, uuid id)
    : group_(group), name_(std::move(name)), id_(id), geometry_(g), blocks_(g.blocks), capabilities_(c),
      stats_(group.size()) {}

device::~device() = default;

void device::start(io& i) noexcept {
    core::reactor& here = *core::reactor::current();
    i.owner = this;
    i.origin = &here;
    i.started = here.time().now();
    stats_.on(here.index()).started.add();
    if (const nvme::status s = check(i); !s.ok())
        i.complete(s);
    else if (i.length_blocks == 0 && i.operation != op::flush)
        i.complete(nvme::sc::success);  // a deallocation of nothing
    else
        submit(i);
}

nvme::status device::check(const io& i) const noexcept {
    if (capabilities_.read_only && changes_content(i.operation))
        return nvme::sc::namespace_is_write_protected.with_dnr();
    if (!capabilities_.supports(i.operation))
        return nvme::sc::invalid_opcode.with_dnr();
    if (i.operation == op::flush)
        return nvme::sc::success;
    if (!holds(i.offset_blocks, i.length_blocks))
        return nvme::sc::lba_out_of_range.with_dnr();
    if (i.operation >= op::compare_and_write)  // it and what comes after it
        return check_limits(i);
    return nvme::sc::success;
}

bool device::holds(std::uint64_t offset_blocks, std::uint64_t length_blocks) const noexcept {
    const std::uint64_t size = blocks();
    return length_blocks <= size && offset_blocks <= size - length_blocks;  // in this order nothing overflows
}

nvme::status device::check_limits(const io& i) const noexcept {
    if (i.operation == op::compare_and_write && i.length_blocks > geometry_.atomic_compare_and_write_blocks)
        return nvme::sc::atomic_write_unit_exceeded.with_dnr();
    if (i.operation != op::copy)
        return nvme::sc::success;
    if (i.sources.size() > geometry_.copy_sources || i.length_blocks > geometry_.copy_blocks)
        return nvme::sc::command_size_limit_exceeded.with_dnr();
    for (const copy_source& s : i.sources) {
        if (s.length_blocks > geometry_.copy_source_blocks)
            return nvme::sc::command_size_limit_exceeded.with_dnr();
        if (!holds(s.offset_blocks, s.length_blocks))
            return nvme::sc::lba_out_of_range.with_dnr();
    }
    return nvme::sc::success;
}

void device::count(const io& i) noexcept {
    core_statistics& mine = stats_.on(i.origin->index());
    if (i.status.ok()) {
        const core::ticks took = i.origin->time().now() - i.started;
        auto& s = mine.ops[static_cast<unsigned>(i.operation)];
        s.count.add();
        s.blocks.add(i.length_blocks);
        s.ticks.add(took);
        s.slowest.raise_to(took);
        if (const auto fastest = s.fastest.get(); fastest == 0 || took < fastest)
            s.fastest.set(took);
    } else {
        mine.failed.add();
        if (i.status.is(nvme::sc::compare_failure))
            mine.miscompared.add();
    }
    mine.completed.add();
    if (mine.idle && mine.completed.get() == mine.started.get()) [[unlikely]]
        mine.idle->set();
}

std::uint64_t device::in_flight() const noexcept {
    std::uint64_t count = 0;
    for (std::size_t core = 0; core < stats_.size(); ++core) {
        // What has completed is read before what has started: if they are equal, nothing was in flight in between. The
        // processor keeps the order of loads; the compiler is told to.
        const std::uint64_t completed = stats_.on(core).completed.get();
        std::atomic_signal_fence(std::memory_order_acquire);
        count += stats_.on(core).started.get() - completed;
    }
    return count;
}

core::task<> device::drained() {
    core::reactor& home = *core::reactor::current();
    // A visit to every core, whether it has I/O in flight or not: whatever it did here happened before what comes next.
    for (const auto& r : group_) {
        co_await core::switch_to(*r);
        core_statistics& mine = stats_.on(r->index());
        if (mine.completed.get() == mine.started.get())
            continue;
        core::event idle;
        assert(!mine.idle);
        mine.idle = &idle;
        co_await idle.wait();
        mine.idle = nullptr;
    }
    co_await core::switch_to(home);
}

core::result<> device::claim(observer& by) {
    if (claimed_by_)
        return core::fail(EBUSY, "the device is in use", name_);
    claimed_by_ = &by;
    return {};
}

void device::release([[maybe_unused]] observer& by) noexcept {
    assert(claimed_by_ == &by);
    claimed_by_ = nullptr;
    if (waiting_for_release_)
        std::exchange(waiting_for_release_, nullptr)->set(true);
}

core::task<> device::unclaimed() {
    assert(!waiting_for_release_);
    while (claimed_by_) {
        core::one_shot<bool> released;
        waiting_for_release_ = &released;
        co_await released;
    }
}

core::task<> device::set_limits(rate_limits limits) {
    limits_ = limits;
    if (claimed_by_)
        co_await claimed_by_->rate_limits_changed(*this);
}

void device::set_blocks(std::uint64_t blocks) {
    if (blocks_.exchange(blocks, std::memory_order_relaxed) != blocks && claimed_by_)
        claimed_by_->resized(*this, blocks);
}

void device::announce_health() {
    if (claimed_by_)
        claimed_by_->health_changed(*this);
}

void device::announce_removal() {
    if (claimed_by_)
        claimed_by_->removed(*this);
}

}  // namespace causeway::bdev
