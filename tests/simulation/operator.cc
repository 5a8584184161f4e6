// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/operator.h"

#include "nvmf/model/controller.h"

#include <array>

namespace causeway::simulation {

using namespace std::chrono_literals;

core::task<> gateway_operator::work(unsigned operations) {
    co_await core::switch_to(system_.group().control());
    const plan& p = system_.plans();
    for (unsigned i = 0; i < operations && !system_.failed(); ++i) {
        co_await core::sleep_for(system_.some_time(10ms));
        switch (system_.random().below(6)) {
        case 0:
            if (p.has(trouble::resizes))
                co_await resize();
            break;
        case 1:
            if (p.has(trouble::namespaces))
                co_await move_namespace();
            break;
        case 2:
            if (p.has(trouble::devices))
                co_await replace_device();
            break;
        case 3:
            if (p.has(trouble::subsystems))
                co_await remake_subsystem();
            break;
        case 4:
            if (p.has(trouble::access))
                co_await shut_hosts_out();
            break;
        default:
            if (p.has(trouble::access))
                co_await stop_listening();
        }
    }
    done_ = true;
}

disk* gateway_operator::take_disk() {
    disk& d = *system_.disks()[system_.random().below(system_.disks().size())];
    if (d.busy || system_.subsystems()[d.subsystem].busy)
        return nullptr;
    d.busy = true;
    return &d;
}

subsystem_state* gateway_operator::take_subsystem() {
    const std::size_t i = system_.random().below(system_.subsystems().size());
    subsystem_state& s = system_.subsystems()[i];
    for (auto& d : system_.disks())
        if (d->subsystem == i && d->busy)
            return nullptr;
    if (s.busy)
        return nullptr;
    s.busy = true;
    return &s;
}

core::task<> gateway_operator::resize() {
    disk* d = take_disk();
    if (!d)
        co_return;
    d->resized.begin();
    const auto smaller = system_.random().between(1, d->model.blocks());
    system_.trace("operator: {} shrinks to {} blocks", d->name, smaller);
    d->base->set_blocks(smaller);
    co_await core::sleep_for(system_.some_time(5ms));
    d->base->set_blocks(d->model.blocks());
    d->resized.end(system_.now());
    d->busy = false;
}

core::task<> gateway_operator::bring_back(disk& d, std::size_t subsystem) {
    d.subsystem = subsystem;  // from now on no operator deletes that one
    for (;;) {
        const bool added = co_await system_.add_namespace(d, subsystem);
        if (added)
            break;
        if (system_.failed())
            co_return;
        co_await core::sleep_for(1ms);
    }
    system_.trace("operator: {} is namespace {} of subsystem {}", d.name, d.nsid, subsystem);
}

core::task<> gateway_operator::move_namespace() {
    disk* d = take_disk();
    if (!d)
        co_return;
    d->absent.begin();
    system_.trace("operator: removes namespace {} of subsystem {}", d->nsid, d->subsystem);
    auto* const s = system_.target().find_subsystem(system_.subsystems()[d->subsystem].nqn);
    if (const auto removed = co_await s->namespaces().remove(d->nsid); !removed)
        system_.fail("cannot remove namespace {}: {}", d->nsid, removed.error().text());
    co_await core::sleep_for(system_.some_time(5ms));
    const std::size_t other = system_.random().below(system_.subsystems().size());
    co_await bring_back(*d, system_.subsystems()[other].busy ? d->subsystem : other);
    d->busy = false;
}

core::task<> gateway_operator::replace_device() {
    disk* d = take_disk();
    if (!d)
        co_return;
    d->absent.begin();
    system_.trace("operator: removes device {}", d->name);
    d->device.reset();
    if (const auto removed = co_await system_.devices().remove(d->name); !removed)
        system_.fail("cannot remove {}: {}", d->name, removed.error().text());
    co_await core::sleep_for(system_.some_time(5ms));
    co_await system_.make_device(*d);
    co_await bring_back(*d, d->subsystem);
    d->busy = false;
}

core::task<> gateway_operator::remake_subsystem() {
    subsystem_state* s = take_subsystem();
    if (!s)
        co_return;
    const auto index = static_cast<std::size_t>(s - system_.subsystems().data());
    s->unreachable.begin();
    std::vector<disk*> members;
    for (auto& d : system_.disks()) {
        if (d->subsystem == index) {
            d->absent.begin();
            members.push_back(d.get());
        }
    }
    system_.trace("operator: deletes {}", s->nqn);
    if (const auto deleted = co_await system_.target().delete_subsystem(s->nqn); !deleted)
        system_.fail("cannot delete {}: {}", s->nqn, deleted.error().text());
    co_await core::sleep_for(system_.some_time(5ms));
    co_await system_.make_subsystem(index);
    for (disk* d : members)
        co_await bring_back(*d, index);
    system_.trace("operator: {} is back", s->nqn);
    s->unreachable.end(system_.now());
    s->busy = false;
}

core::task<> gateway_operator::shut_hosts_out() {
    subsystem_state* s = take_subsystem();
    if (!s)
        co_return;
    const std::string nqn = simulated_system::host_nqn(system_.random().below(system_.plans().hosts.size()));
    s->unreachable.begin();
    system_.trace("operator: {} may not use {}", nqn, s->nqn);
    auto* const made = system_.target().find_subsystem(s->nqn);
    if (const auto removed = co_await made->access().remove_host(nqn); !removed)
        system_.fail("cannot remove host {}: {}", nqn, removed.error().text());
    for (const auto& [cntlid, c] : made->controllers().all())
        if (c->host_nqn() == nqn)
            system_.fail("{} was removed from {}, and still is controller {}", nqn, s->nqn, cntlid);
    co_await core::sleep_for(system_.some_time(5ms));
    if (const auto added = made->access().add_host(nqn); !added)
        system_.fail("cannot add host {}: {}", nqn, added.error().text());
    system_.trace("operator: {} may use {}", nqn, s->nqn);
    s->unreachable.end(system_.now());
    s->busy = false;
}

core::task<> gateway_operator::stop_listening() {
    subsystem_state* s = take_subsystem();
    if (!s)
        co_return;
    s->unreachable.begin();
    system_.trace("operator: {} does not listen", s->nqn);
    auto* const made = system_.target().find_subsystem(s->nqn);
    if (const auto removed = co_await made->listeners().remove(s->at); !removed)
        system_.fail("cannot remove the listener: {}", removed.error().text());
    co_await core::sleep_for(system_.some_time(5ms));
    if (const auto added = co_await made->listeners().add(s->at); !added)
        system_.fail("cannot listen: {}", added.error().text());
    system_.trace("operator: {} listens", s->nqn);
    s->unreachable.end(system_.now());
    s->busy = false;
}

void saboteur::spoil(bdev::fault_device& d) {
    using kind = bdev::fault_rule::kind;
    static constexpr std::array kinds{kind::fail, kind::fail_after, kind::delay, kind::delay, kind::hang};
    static constexpr std::array statuses{nvme::sc::internal_error,      nvme::sc::unrecovered_read,
                                         nvme::sc::write_fault,         nvme::sc::internal_path_error,
                                         nvme::sc::command_interrupted, nvme::sc::capacity_exceeded};
    auto& random = system_.random();
    bdev::fault_rule r;
    r.what = kinds[random.below(kinds.size())];
    r.status = statuses[random.below(statuses.size())];
    r.ops = static_cast<std::uint32_t>(random.next()) | 1u << random.below(bdev::op_count);
    r.per_mille = static_cast<unsigned>(random.between(50, 1000));
    r.times = random.between(1, 20);
    r.delay = system_.some_time(20ms);
    system_.trace("saboteur: {} {} with {:.3f} ms", d.name(),
                  std::array{"fails", "fails after", "delays", "hangs"}[static_cast<unsigned>(r.what)],
                  static_cast<double>(r.delay.count()) / 1e6);
    d.add_rule(r);
}

core::task<> saboteur::work() {
    co_await core::switch_to(system_.group().control());
    auto& random = system_.random();
    while (!stopping_ && !system_.failed()) {
        co_await core::sleep_for(system_.some_time(10ms));
        disk& d = *system_.disks()[random.below(system_.disks().size())];
        auto device = d.device;  // a hold on it: it may be removed meanwhile
        if (!device)
            continue;
        d.faulty.begin();
        spoil(*device);
        co_await core::sleep_for(system_.some_time(10ms));
        device->clear_rules();
        co_await device->release_hung(random.chance(1, 2) ? nvme::sc::success : nvme::sc::internal_error);
        d.faulty.end(system_.now());
        system_.trace("saboteur: {} is healed", d.name);
    }
    done_ = true;
}

}  // namespace causeway::simulation
