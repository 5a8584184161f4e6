// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/host.h"

#include "host/loop/commands.h"
#include "nvme/log_page.h"

#include <list>
#include <string_view>

namespace causeway::simulation {

using namespace std::chrono_literals;

namespace {

/// Runs beside a session; counts itself.
core::task<> accompany(core::task<> t, unsigned& companions) {
    co_await std::move(t);
    --companions;
}

constexpr unsigned event_requests = 4;

}  // namespace

host::host(simulated_system& w, std::size_t number)
    : system_(w), number_(number),
      plan_(number < w.plans().hosts.size() ? w.plans().hosts[number] : plan::host{0, 1, 8, 0, 0, 0, true}) {}

loop::host_options host::options_for(std::size_t subsystem) const {
    loop::host_options o;
    o.at = system_.subsystems()[subsystem].at;
    o.subnqn = system_.subsystems()[subsystem].nqn;
    o.hostnqn = simulated_system::host_nqn(number_);
    o.hostid[0] = static_cast<std::uint8_t>(number_ + 1);
    o.io_queues = plan_.io_queues;
    o.io_entries = plan_.entries;
    o.kato_ms = plan_.kato_ms;
    o.sq_flow_control = plan_.sq_flow_control;
    return o;
}

core::task<> host::live() {
    co_await core::switch_to(system_.group()[plan_.reactor]);
    for (unsigned i = 0; i < plan_.sessions && !system_.failed(); ++i) {
        co_await core::sleep_for(system_.some_time(20ms));
        co_await session();
    }
    done_ = true;
}

core::task<> host::session() {
    state_ = {};
    // Where disks are, mostly.
    state_.subsystem = system_.random().chance(1, 16)
                           ? system_.random().below(system_.subsystems().size())
                           : system_.disks()[system_.random().below(system_.disks().size())]->subsystem;
    state_.began = system_.now();
    state_.max_bytes = system_.plans().transport.max_io_size;
    silent_ = false;
    auto& subsystem = system_.subsystems()[state_.subsystem];

    loop::host_controller c(system_.transport());
    const auto connected = co_await c.connect(options_for(state_.subsystem));
    if (!connected) {
        system_.trace("host {} cannot connect to {}: {}", number_, subsystem.nqn, connected.error().text());
        if (!subsystem.unreachable.since(state_.began))
            system_.fail("host {} cannot connect to {}: {}, without cause", number_, subsystem.nqn,
                         connected.error().text());
        co_return;
    }
    system_.trace("host {} is controller {} of {}, connections {} to {}", number_, c.cntlid(), subsystem.nqn,
                  c.admin().connection(), c.io(c.io_queues() - 1).connection());
    co_await play(c);
    system_.trace("host {} has left {}", number_, subsystem.nqn);
}

/// True: admin commands may fail, for the host or the operator puts an end to it, or has.
bool host::may_be_parting() const {
    return state_.leaving || system_.subsystems()[state_.subsystem].unreachable.since(state_.began);
}

host::ending host::draw_ending() {
    auto& random = system_.random();
    const plan& p = system_.plans();
    if (p.has(trouble::vanishing) && plan_.kato_ms && random.chance(1, 3))
        return ending::vanish;
    if (p.has(trouble::resets) && random.chance(1, 3))
        return ending::reset;
    if (p.has(trouble::drops) && random.chance(1, 2))
        return random.chance(1, 2) ? ending::drop : ending::drop_one_queue;
    return ending::in_order;
}

core::task<> host::play(loop::host_controller& c) {
    auto& random = system_.random();
    budget_ = plan_.commands;
    const ending how = draw_ending();

    companions_ = 0;
    const auto join = [&](core::task<> t) {
        ++companions_;
        core::detach(accompany(std::move(t), companions_));
    };
    if (plan_.kato_ms)
        join(keep_alive(c));
    for (unsigned i = 0; i < event_requests; ++i)
        join(listen_to_events(c));
    if (system_.plans().has(trouble::aborts)) {
        state_.aborting = true;
        join(ask_for_commands_back(c));
    }

    std::list<worker> workers;
    for (std::size_t q = 0; q < c.io_queues(); ++q)
        for (std::uint64_t n = random.between(1, plan_.entries - 1); n > 0; --n)
            workers.emplace_back(system_, state_, c.io(q));
    state_.workers = static_cast<unsigned>(workers.size());
    for (worker& w : workers)
        core::detach(w.run(budget_));

    if (how != ending::in_order) {
        co_await core::sleep_for(system_.some_time(10ms));
        co_await end(c, how);
    }
    while (state_.workers)
        co_await core::sleep_for(20us);
    if (!c.alive() && !may_be_parting())
        system_.fail("host {} has lost a connection without cause", number_);
    state_.leaving = true;
    silent_ = true;
    if (how == ending::in_order)
        co_await c.shut_down();
    else
        co_await c.disconnect();
    while (companions_)
        co_await core::sleep_for(20us);
}

core::task<> host::end(loop::host_controller& c, ending how) {
    state_.leaving = true;
    switch (how) {
    case ending::in_order: break;
    case ending::drop:
        system_.trace("host {} drops its connections", number_);
        co_await c.disconnect();
        break;
    case ending::drop_one_queue:
        system_.trace("host {} drops a connection", number_);
        c.io(system_.random().below(c.io_queues())).disconnect();
        break;
    case ending::reset:
        system_.trace("host {} resets its controller", number_);
        if (const auto reset = co_await c.enable(false); !reset && c.admin().phase() == loop::host_queue::state::open)
            system_.fail("host {} cannot reset its controller: {}", number_, reset.error().text());
        break;
    case ending::vanish:
        system_.trace("host {} falls silent", number_);
        silent_ = true;
        budget_ = 0;
        co_await wait_for_silence(c);
    }
}

core::task<> host::wait_for_silence(loop::host_controller& c) {
    // Twice the timeout is what a target may take that looks at traffic as well; a device may hold a command for
    // longer.
    for (unsigned ms = 0; c.admin().phase() == loop::host_queue::state::open; ms += 10) {
        if (ms > 2 * plan_.kato_ms + 200) {
            system_.fail("host {} has been silent for {} ms, and is still connected", number_, ms);
            co_return;
        }
        co_await core::sleep_for(10ms);
    }
    co_await c.admin().closed();
}

core::task<> host::keep_alive(loop::host_controller& c) {
    const auto period = std::chrono::milliseconds(plan_.kato_ms / 2);
    auto next = core::nanoseconds(0);
    while (!silent_ && c.admin().phase() == loop::host_queue::state::open) {
        // In small steps, to notice the end of the session.
        if (next <= core::nanoseconds(0)) {
            next = period;
            const nvme::completion answer = co_await c.admin().run(loop::make_keep_alive());
            if (!answer.status().ok() && !may_be_parting())
                system_.fail("host {}: keep alive was answered with {}", number_, nvme::to_string(answer.status()));
        }
        co_await core::sleep_for(10ms);
        next -= core::nanoseconds(10ms);
    }
}

core::task<> host::listen_to_events(loop::host_controller& c) {
    for (;;) {
        const nvme::completion answer = co_await c.admin().run(loop::make_async_event_request());
        if (!answer.status().ok()) {
            const bool may = may_be_parting() || (state_.aborting && answer.status().is(nvme::sc::aborted_by_request));
            if (!may)
                system_.fail("host {}: an event request was answered with {}", number_,
                             nvme::to_string(answer.status()));
            co_return;
        }
        system_.trace("host {} hears of an event: {:#x}", number_, answer.dw0.value());
        co_await look_at_changed_namespaces(c);
    }
}

core::task<> host::look_at_changed_namespaces(loop::host_controller& c) {
    nvme::changed_namespace_list list{};
    const iovec piece{&list, sizeof list};
    const nvme::completion answer =
        co_await c.admin().run(loop::make_get_log_page(nvme::lid::changed_namespace_list, sizeof list), {&piece, 1});
    if (answer.status().ok())
        for (std::size_t i = 0; i < 1024 && list.nsid[i] != 0; ++i)
            if (list.nsid[i] > system_.disks().size())
                system_.fail("host {}: the changed namespace list names {}", number_, list.nsid[i].value());
}

core::task<> host::ask_for_commands_back(loop::host_controller& c) {
    auto& random = system_.random();
    while (c.alive() && !state_.leaving && state_.workers) {
        co_await core::sleep_for(system_.some_time(2ms));
        if (!c.alive() || state_.leaving)
            break;
        const auto qid = random.between(0, c.io_queues());
        const auto cid = static_cast<std::uint16_t>(random.below(plan_.entries));
        const nvme::completion answer = co_await c.admin().run(loop::make_abort(static_cast<std::uint16_t>(qid), cid));
        if (!answer.status().ok() && !may_be_parting() && !answer.status().is(nvme::sc::abort_limit_exceeded) &&
            !answer.status().is(nvme::sc::aborted_by_request))
            system_.fail("host {}: abort was answered with {}", number_, nvme::to_string(answer.status()));
    }
}

core::task<> host::audit() {
    co_await core::switch_to(system_.group()[system_.random().below(system_.group().size())]);
    for (std::size_t s = 0; s < system_.subsystems().size(); ++s) {
        state_ = {};
        state_.subsystem = s;
        state_.began = system_.now();
        state_.max_bytes = system_.plans().transport.max_io_size;
        loop::host_controller c(system_.transport());
        if (const auto connected = co_await c.connect(options_for(s)); !connected) {
            system_.fail("cannot connect to read everything: {}", connected.error().text());
            co_return;
        }
        worker w(system_, state_, c.io(0));
        for (auto& d : system_.disks())
            if (d->subsystem == s)
                co_await w.read_all(*d);
        co_await c.shut_down();
    }
}

}  // namespace causeway::simulation
