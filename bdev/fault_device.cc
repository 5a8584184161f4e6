// SPDX-License-Identifier: Apache-2.0
#include "bdev/fault_device.h"

#include <algorithm>
#include <optional>

namespace causeway::bdev {

/// An I/O on its way through: what the base gets in its stead.
struct fault_device::passage : io {
    io* outer = nullptr;
    fault_device* faults = nullptr;
    std::optional<fault_rule> rule;
    std::optional<core::timer> timer;

    void go_on() { faults->base_->start(*this); }

    void end(nvme::status s) {
        io& i = *outer;
        delete this;
        i.complete(s);
    }

    static void base_done(io& i) noexcept {
        auto& self = static_cast<passage&>(i);
        nvme::status s = self.status;
        if (self.rule && s.ok()) {
            if (self.rule->what == fault_rule::kind::fail_after)
                s = self.rule->status;
            if (self.rule->what == fault_rule::kind::corrupt)
                self.corrupt();
        }
        self.end(s);
    }

    void corrupt() noexcept {
        std::uint64_t offset = rule->corrupt_offset;
        for (const iovec& b : data) {
            if (offset < b.iov_len) {
                static_cast<std::byte*>(b.iov_base)[offset] = rule->corrupt_value;
                return;
            }
            offset -= b.iov_len;
        }
    }
};

namespace {

bool fits(const fault_rule& r, const io& i, std::uint64_t in_flight) {
    if (r.times == 0 || !(r.ops >> static_cast<unsigned>(i.operation) & 1) || in_flight < r.from_depth)
        return false;
    return i.operation == op::flush ||
           (i.offset_blocks <= r.last_block && i.offset_blocks + i.length_blocks > r.first_block);
}

device_geometry now_of(const device& d) {
    device_geometry g = d.geometry();
    g.blocks = d.blocks();
    return g;
}

}  // namespace

core::result<std::shared_ptr<fault_device>> fault_device::create(std::string name, std::shared_ptr<device> base,
                                                                 uuid id, std::uint64_t seed) {
    const device_capabilities c = base->capabilities();
    if (base->claimed_by())
        return core::fail(EBUSY, "the device is in use", base->name());
    return std::shared_ptr<fault_device>(new fault_device(std::move(name), std::move(base), c, id, seed));
}

fault_device::fault_device(std::string name, std::shared_ptr<device> base, device_capabilities c, uuid id,
                           std::uint64_t seed)
    : device(base->group(), std::move(name), now_of(*base), c, id), base_(std::move(base)), random_(seed),
      hanging_(group().size()) {
    (void)base_->claim(*this);
}

fault_device::~fault_device() {
    if (claimed_)
        base_->release(*this);
}

void fault_device::add_rule(const fault_rule& r) {
    const std::lock_guard lock(mutex_);
    rules_.push_back(r);
}

void fault_device::clear_rules() {
    const std::lock_guard lock(mutex_);
    rules_.clear();
}

bool fault_device::draw(const io& i, fault_rule& found) {
    const std::lock_guard lock(mutex_);
    if (rules_.empty())
        return false;
    const std::uint64_t depth = in_flight();
    for (fault_rule& r : rules_) {
        if (fits(r, i, depth) && (r.per_mille >= 1000 || random_.chance(r.per_mille, 1000))) {
            --r.times;
            found = r;
            return true;
        }
    }
    return false;
}

void fault_device::submit(io& i) noexcept {
    auto* o = new passage;
    o->outer = &i;
    o->faults = this;
    o->operation = i.operation;
    o->force_unit_access = i.force_unit_access;
    o->offset_blocks = i.offset_blocks;
    o->length_blocks = i.length_blocks;
    o->data = i.data;
    o->write_data = i.write_data;
    o->sources = i.sources;
    o->done = &passage::base_done;

    fault_rule rule;
    if (!draw(i, rule))
        return o->go_on();
    o->rule = rule;
    switch (rule.what) {
    case fault_rule::kind::fail: return o->end(rule.status);
    case fault_rule::kind::fail_after:
    case fault_rule::kind::corrupt: return o->go_on();
    case fault_rule::kind::delay:
        o->timer.emplace(*i.origin, [o] { o->go_on(); });
        return o->timer->arm_after(rule.delay);
    case fault_rule::kind::hang:
        hanging_.local().push_back(o);
        hung_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
}

core::task<> fault_device::release_hung(nvme::status s) {
    co_await core::for_each_reactor(group(), [&](core::reactor&) {
        for (passage* o : std::exchange(hanging_.local(), {})) {
            hung_.fetch_sub(1, std::memory_order_relaxed);
            if (s.ok())
                o->go_on();
            else
                o->end(s);
        }
    });
}

core::task<> fault_device::close() {
    clear_rules();
    co_await release_hung(nvme::sc::internal_error);
    co_await drained();
    if (std::exchange(claimed_, false))
        base_->release(*this);
}

void fault_device::resized(device&, std::uint64_t blocks) {
    set_blocks(blocks);
}

void fault_device::health_changed(device&) {
    announce_health();
}

void fault_device::removed(device&) {
    if (on_base_removed)
        on_base_removed();
}

}  // namespace causeway::bdev
