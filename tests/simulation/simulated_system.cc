// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_system.h"

#include "bdev/uuid.h"
#include "core/task.h"
#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"
#include "transport/loop/loop_qpair.h"

#include <cstdio>
#include <utility>

namespace causeway::simulation {

using namespace std::chrono_literals;

namespace {

constexpr auto longest_run = 600s;  // of virtual time: everything that is given up is given up far sooner
constexpr std::uint64_t max_steps = 3'000'000;

}  // namespace

simulated_system::simulated_system(std::uint64_t seed, bool tracing)
    : plan_(seed), tracing_(tracing), simulation_(seed, plan_.reactors), homes_(simulation_.group()),
      devices_(simulation_.group()), target_(std::make_unique<nvmf::target>(homes_, devices_)) {
    for (std::size_t s = 0; s < plan_.subsystems; ++s)
        subsystems_.push_back(
            {"nqn.2024-01.io.causeway:sub" + std::to_string(s), {"LOOP", "", "here", std::to_string(4420 + s)}});
    for (std::size_t d = 0; d < plan_.disks.size(); ++d) {
        auto made = std::make_unique<disk>(static_cast<std::uint16_t>(d + 1), plan_.disks[d]);
        made->name = "disk" + std::to_string(d);
        made->nsid = static_cast<std::uint32_t>(d + 1);
        made->subsystem = random().below(plan_.subsystems);
        disks_.push_back(std::move(made));
    }
}

simulated_system::~simulated_system() = default;

std::string simulated_system::host_nqn(std::size_t host) {
    return "nqn.2024-01.io.causeway:host" + std::to_string(host);
}

core::nanoseconds simulated_system::some_time(core::nanoseconds most) {
    // As often short as long, on every scale.
    const std::uint64_t limit = static_cast<std::uint64_t>(most.count()) >> random().below(12);
    return core::nanoseconds(static_cast<std::int64_t>(random().between(0, limit + 1)));
}

void simulated_system::print(const std::string& text) const {
    const auto* r = core::reactor::current();
    std::fprintf(stderr, "%12.3f us  core %c  %s\n", static_cast<double>(simulation_.time().now()) / 1e3,
                 r ? static_cast<char>('0' + r->index()) : '-', text.c_str());
}

void simulated_system::fail_with(std::string text) {
    if (tracing_)
        print("FAILURE: " + text);
    if (failure_.empty())
        failure_ = std::move(text);
}

void simulated_system::haunts(std::uint64_t connection, disk& d, value v, std::uint64_t block, std::uint64_t count,
                              moment begin) {
    ghosts_[connection].push_back({&d, v, block, count, begin});
    if (gone_.contains(connection))
        laid_to_rest(connection);
}

void simulated_system::laid_to_rest(std::uint64_t connection) {
    for (const ghost& g : ghosts_[connection])
        g.on->model.end_write(g.v, g.block, g.count, g.begin, disk_model::outcome::maybe, now());
    ghosts_.erase(connection);
    gone_.insert(connection);
}

core::task<> simulated_system::make_subsystem(std::size_t s) {
    nvmf::subsystem_options o;
    o.nqn = subsystems_[s].nqn;
    auto made = co_await target_->create_subsystem(o);
    if (!made) {
        fail("cannot create {}: {}", o.nqn, made.error().text());
        co_return;
    }
    for (std::size_t h = 0; h < plan_.hosts.size() + 1; ++h)  // the auditor is the last one
        if (const auto added = (*made)->access().add_host(host_nqn(h)); !added)
            fail("cannot add a host: {}", added.error().text());
    if (const auto listening = co_await (*made)->listeners().add(subsystems_[s].at); !listening)
        fail("cannot listen: {}", listening.error().text());
}

core::task<> simulated_system::make_device(disk& d) {
    auto made = bdev::fault_device::create(d.name, d.base, bdev::uuid_of_name(d.name), random().next());
    if (!made) {
        fail("cannot create {}: {}", d.name, made.error().text());
        co_return;
    }
    d.device = *made;
    if (const auto added = devices_.add(d.device); !added)
        fail("cannot register {}: {}", d.name, added.error().text());
}

core::task<bool> simulated_system::add_namespace(disk& d, std::size_t s) {
    nvmf::subsystem* const at = target_->find_subsystem(subsystems_[s].nqn);
    if (!at)
        co_return false;
    nvmf::namespace_params p;
    p.bdev_name = d.name;
    p.nsid = d.nsid;
    const auto added = co_await at->namespaces().add(p);
    if (!added) {
        trace("no namespace {}: {}", d.nsid, added.error().text());
        co_return false;
    }
    d.subsystem = s;
    d.absent.end(now());
    co_return true;
}

core::task<> simulated_system::build() {
    auto made = loop::loop_transport::create(*target_, plan_.transport, plan_.path);
    if (!made) {
        fail("no transport: {}", made.error().text());
        co_return;
    }
    transport_ = made->get();
    transport_->on_connection_gone = [this](std::uint64_t number) {
        trace("connection {} is gone", number);
        laid_to_rest(number);
    };
    if (const auto added = target_->add_transport(std::move(*made)); !added)
        fail("no transport: {}", added.error().text());
    for (std::size_t s = 0; s < subsystems_.size(); ++s)
        co_await make_subsystem(s);
    for (auto& d : disks_) {
        bdev::device_geometry g;
        g.block_size = d->model.block_size();
        g.blocks = d->model.blocks();
        g.atomic_compare_and_write_blocks = 4;
        auto base = bdev::memory_device::create(group()[random().below(group().size())], d->name + "-memory", g,
                                                bdev::uuid_of_name(d->name + "-memory"));
        if (!base) {
            fail("no memory: {}", base.error().text());
            co_return;
        }
        d->base = *base;
        co_await make_device(*d);
        d->absent.begin();
        if (!co_await add_namespace(*d, d->subsystem))
            fail("cannot add namespace {}", d->nsid);
    }
}

core::task<> simulated_system::put_right() {
    for (auto& d : disks_) {
        if (d->device) {
            d->device->clear_rules();
            co_await d->device->release_hung();
        }
        d->base->set_blocks(d->model.blocks());
        if (d->absent.now())
            fail("disk {} was not brought back", d->name);
    }
}

core::task<> simulated_system::take_down() {
    co_await target_->shutdown();
    co_await transport_->stop();
    for (auto& d : disks_) {
        d->device.reset();
        if (const auto removed = co_await devices_.remove(d->name); !removed)
            fail("cannot remove {}: {}", d->name, removed.error().text());
        co_await d->base->close();
    }
}

bool simulated_system::run_task(const char* what, core::task<> t) {
    bool done = false;
    struct all {
        static core::task<> of(core::reactor& control, core::task<> t, bool& done) {
            co_await core::switch_to(control);
            co_await std::move(t);
            done = true;
        }
    };
    core::detach(all::of(group().control(), std::move(t), done));
    trace("---- {}", what);
    const core::ticks limit = simulation_.time().now() + simulation_.time().to_ticks(longest_run);
    simulation_.run_until([&] { return done || failed() || simulation_.time().now() > limit; }, max_steps);
    if (!done && !failed())
        fail("{} does not end:{}", what, what_is_left());
    return !failed();
}

bool simulated_system::play(const std::function<void()>& begin, const std::function<bool()>& over,
                            const std::function<core::task<>()>& audit) {
    trace("{}", plan_.text());
    if (!run_task("building", build()))
        return false;
    begin();
    trace("---- playing");
    const core::ticks limit = simulation_.time().now() + simulation_.time().to_ticks(longest_run);
    simulation_.run_until([&] { return over() || failed() || simulation_.time().now() > limit; }, max_steps);
    if (!over() && !failed())
        fail("it does not end:{}", what_is_left());
    if (failed() || !run_task("putting right", put_right()) || !run_task("reading everything", audit()) ||
        !run_task("taking down", take_down()))
        return false;
    if (!simulation_.run_until_idle(100'000))
        fail("it does not come to rest");
    look_for_leaks();
    return !failed();
}

std::string simulated_system::what_is_left() const {
    std::string text = fmt::format(" {} connections", transport_->connections());
    for (std::size_t c = 0; c < plan_.reactors; ++c) {
        auto& loop = transport_->on(c);
        text += fmt::format("; core {}: {} commands wait for buffers, {} buffers taken", c, loop.pending.get(),
                            loop.buffers ? loop.buffers->taken() : 0);
        for (const auto* q = loop.qpairs; q; q = q->next)
            text += fmt::format("; queue {} of {}: phase {}, {} executing", q->qid(), q->peer_address().trsvcid,
                                static_cast<int>(q->phase()), nvmf::side_of(*q).executing);
    }
    for (const auto& d : disks_)
        text += fmt::format("; {}: {} in flight, {} of them at the base", d->name,
                            d->device ? d->device->in_flight() : 0, d->base->in_flight());
    return text;
}

void simulated_system::look_for_leaks() {
    if (const auto n = transport_->connections())
        fail("{} connections are left", n);
    for (std::size_t c = 0; c < group().size(); ++c) {
        auto& loop = transport_->on(c);
        if (loop.broken.get())
            fail("core {}: a request was answered {} times too often", c, loop.broken.get());
        if (loop.pending.get())
            fail("core {}: {} commands still wait for a buffer", c, loop.pending.get());
        if (loop.buffers && loop.buffers->taken())
            fail("core {}: {} buffers were not given back", c, loop.buffers->taken());
        if (loop.buffers && loop.buffers->damaged())
            fail("core {}: {} buffers were written to after their request had ended", c, loop.buffers->damaged());
        auto& counts = target_->counters().on(c);
        if (counts.current_admin_qpairs.get() || counts.current_io_qpairs.get() ||
            counts.current_unassociated_qpairs.get())
            fail("core {}: queue pairs are still counted: {} admin, {} I/O, {} unassociated", c,
                 counts.current_admin_qpairs.get(), counts.current_io_qpairs.get(),
                 counts.current_unassociated_qpairs.get());
        if (const auto n = group()[c].timer_count())
            fail("core {}: {} timers are still armed", c, n);
    }
    for (auto& d : disks_) {
        if (d->base->in_flight())
            fail("{}: {} I/Os are still in flight", d->name, d->base->in_flight());
        if (d->base.use_count() != 1)
            fail("{}: the device is still claimed", d->name);
    }
    if (!ghosts_.empty())
        fail("{} connections were never let go", ghosts_.size());
    if (!devices_.all().empty())
        fail("{} devices are left", devices_.all().size());
}

}  // namespace causeway::simulation
