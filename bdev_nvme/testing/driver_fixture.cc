// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/driver_fixture.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace causeway::bdev_nvme::testing {

struct io_user::flight : bdev::io {
    io_user* user;
    std::string name;
    std::unique_ptr<std::byte[]> memory, write_memory;
    std::vector<iovec> pieces, write_pieces;
    std::vector<bdev::copy_source> from;
    std::size_t bytes = 0, misaligned = 0;
    std::shared_ptr<outcome> report = std::make_shared<outcome>();
};

io_user::~io_user() {
    for (auto& [name, h] : held_)
        h.device->release(*this);
}

std::shared_ptr<io_user::outcome> io_user::start(const std::string& name, const request& r, std::size_t core) {
    const auto at = held_.find(name);
    if (at == held_.end() || at->second.leaving)
        return nullptr;
    held& h = at->second;
    auto* f = new flight;
    f->user = this;
    f->name = name;
    f->operation = r.operation;
    f->offset_blocks = r.offset_blocks;
    f->length_blocks = r.operation == bdev::op::flush ? 0 : r.length_blocks;
    f->force_unit_access = r.force_unit_access;
    f->from = r.sources;
    f->sources = f->from;
    f->misaligned = r.misaligned;
    using enum bdev::op;
    const bool has_data =
        r.operation == read || r.operation == write || r.operation == compare || r.operation == compare_and_write;
    const auto lay = [&](std::unique_ptr<std::byte[]>& memory, std::vector<iovec>& pieces) {
        memory = std::make_unique<std::byte[]>(r.misaligned + f->bytes);
        std::memset(memory.get(), r.fill, r.misaligned + f->bytes);
        const std::size_t piece = r.piece ? r.piece : f->bytes;
        for (std::size_t done = 0; done < f->bytes; done += piece)
            pieces.push_back({memory.get() + r.misaligned + done, std::min(piece, f->bytes - done)});
        return std::span<const iovec>(pieces);
    };
    if (has_data) {
        f->bytes = r.length_blocks * h.device->geometry().block_size;
        f->data = lay(f->memory, f->pieces);
        if (r.operation == compare_and_write)
            f->write_data = lay(f->write_memory, f->write_pieces);
    }
    f->done = [](bdev::io& i) noexcept {
        auto& f = static_cast<flight&>(i);
        f.user->ended(f);
    };
    ++h.outstanding;
    ++outstanding_;
    auto report = f->report;
    reactors_[core].execute([f, d = h.device] { d->start(*f); });
    return report;
}

void io_user::ended(flight& f) noexcept {
    const std::unique_ptr<flight> gone(&f);
    if (f.report->ended)
        std::abort();
    f.report->ended = true;
    f.report->status = f.status;
    if (f.operation == bdev::op::read && f.status.ok())
        f.report->data.assign(f.memory.get() + f.misaligned, f.memory.get() + f.misaligned + f.bytes);
    --outstanding_;
    held& h = held_.at(f.name);
    if (--h.outstanding == 0 && h.leaving)
        reactors_[0].execute([this, name = f.name] { release_device(name); });
}

void io_user::look() {
    for (const auto& d : devices_.all())
        if (!d->claimed_by() && d->claim(*this))
            held_[d->name()] = {d, 0, false};
}

void io_user::removed(bdev::device& d) {
    held& h = held_.at(d.name());
    h.leaving = true;
    if (h.outstanding == 0)
        reactors_[0].execute([this, name = d.name()] { release_device(name); });
}

void io_user::release_device(const std::string& name) {
    const auto h = held_.find(name);
    if (h == held_.end() || !h->second.leaving || h->second.outstanding != 0)
        return;
    const auto device = std::move(h->second.device);
    held_.erase(h);
    device->release(*this);
}

// All together.

driver_fixture::driver_fixture(std::size_t cores) : model_fixture(cores) {
    driver.set_options(quick());
}

driver_fixture::~driver_fixture() {
    if (!closed_ && !close())
        std::abort();
}

bool driver_fixture::turn_until(const std::function<bool()>& is_so, core::nanoseconds limit) {
    // A command travels for a few turns and steps. One that takes longer is slow.
    const unsigned timeout = 2 + 3 * slowness;
    auto& clock = reactors.clock;
    const core::ticks step = clock.to_ticks(std::chrono::microseconds(10));
    const core::ticks end = clock.now() + clock.to_ticks(limit);
    for (unsigned quiet = 0; !is_so();) {
        if (clock.now() >= end)
            return false;
        unsigned handled = 0;
        ++turns_;
        for (const auto& r : reactors.group)
            if (r->index() == 0 || turns_ % slowness == 0)
                handled += r->turn();
        for (const auto& [address, m] : models.models)
            handled += m->step();
        clock.advance_to(clock.now() + step);
        quiet = handled == 0 ? quiet + 1 : 0;
        if (quiet < timeout)
            continue;
        core::ticks next = end;
        for (const auto& r : reactors.group)
            next = std::min(next, r->next_timer());
        clock.advance_to(std::max(next, clock.now()));
        quiet = 0;
    }
    return true;
}

core::result<> driver_fixture::attach(const std::string& name, const controller_model& m) {
    attach_params p;
    p.name = name;
    p.address = m.address();
    auto attached = finish(driver.attach(std::move(p)));
    if (!attached)
        return core::fail(EAGAIN, "attaching does not come to an end", name);
    if (!*attached)
        return tl::make_unexpected(attached->error());
    user.look();
    return {};
}

const controller* driver_fixture::find(const std::string& name) const {
    for (const auto& v : driver.all())
        if (v.name == name)
            return v.controller;
    return nullptr;
}

controller::state driver_fixture::state(const std::string& name) const {
    const auto* c = find(name);
    return c ? c->now() : controller::state::closed;
}

nvme::status driver_fixture::io(const std::string& device, const io_user::request& r, std::size_t core) {
    const auto o = user.start(device, r, core);
    if (!o || !turn_until([&] { return o->ended; }))
        return nvme::sc::command_sequence_error;
    return o->status;
}

bool driver_fixture::close() {
    closed_ = true;
    bool done = false;
    reactors[0].execute([&] { core::detach(driver.close(), [&] { done = true; }); });
    return turn_until([&] { return done && user.outstanding() == 0; });
}

bool driver_fixture::empty() {
    // What was detached may have a last word to say.
    turn_for(std::chrono::milliseconds(50));
    for (const auto& r : reactors.group)
        if (r->timer_count() != 0 || !r->pollers().empty())
            return false;
    return devices.all().empty() && user.devices() == 0 && models.lent == 0;
}

}  // namespace causeway::bdev_nvme::testing
