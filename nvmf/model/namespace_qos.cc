// SPDX-License-Identifier: Apache-2.0
// Flows live on the cores of their queue pairs, the scheduler on one core; tickets travel between them.

#include "nvmf/model/namespace_qos.h"

#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

namespace causeway::nvmf {

// ---- The commands of a flow.

namespace {

/// To the scheduler, which may have the ticket.
void show_wanted(qos_flow& f) noexcept {
    f.ticket.wanted.store(f.ios - std::min(f.ios, f.kept_ios), std::memory_order_relaxed);
}

void push(qos_flow& f, request& r, const io_cost& c) noexcept {
    request_target_side& side = side_of(r);
    side.flow = &f;
    side.metered_ios = static_cast<std::uint32_t>(c.ios);
    side.metered_bytes = c.bytes;
    side.next = nullptr;
    side.previous = std::exchange(f.last, &r);
    (side.previous ? side_of(*side.previous).next : f.first) = &r;
    f.ios += c.ios;
    f.bytes += c.bytes;
    show_wanted(f);
}

void remove(qos_flow& f, request& r) noexcept {
    request_target_side& side = side_of(r);
    (side.previous ? side_of(*side.previous).next : f.first) = side.next;
    (side.next ? side_of(*side.next).previous : f.last) = side.previous;
    side.flow = nullptr;
    side.next = side.previous = nullptr;
    f.ios -= side.metered_ios;
    f.bytes -= side.metered_bytes;
    show_wanted(f);
}

/// Where `r` waits, `by` waits in its place.
void replace(qos_flow& f, request& r, request& by) noexcept {
    request_target_side &left = side_of(r), &comes = side_of(by);
    comes.flow = std::exchange(left.flow, nullptr);
    comes.metered_ios = left.metered_ios;
    comes.metered_bytes = left.metered_bytes;
    comes.next = std::exchange(left.next, nullptr);
    comes.previous = std::exchange(left.previous, nullptr);
    (comes.previous ? side_of(*comes.previous).next : f.first) = &by;
    (comes.next ? side_of(*comes.next).previous : f.last) = &by;
}

/// The first one goes on. It may be gone when this returns.
void resume_first(qos_flow& f) noexcept {
    request& r = *f.first;
    remove(f, r);
    f.resume(*f.of, r, f.ticket.direction);
}

qos_flow* find_flow(qpair& q, const core_qos& of, io_direction d) noexcept {
    for (qos_flow* f = side_of(q).qos_flows; f; f = f->next_of_qpair)
        if (f->of == &of && f->ticket.direction == d)
            return f;
    return nullptr;
}

void unlist(qpair& q, qos_flow& f) noexcept {
    qos_flow** at = &side_of(q).qos_flows;
    while (*at != &f)
        at = &(*at)->next_of_qpair;
    *at = f.next_of_qpair;
}

}  // namespace

// ---- What travels: each handler runs on the core that its name says.

struct qos_messages {
    static qos_flow& flow_of(core::message& m) noexcept { return *static_cast<qos_flow::ticket_message&>(m).flow; }

    static void send(qos_flow& f, core::message& m, core::message::handler at_home) noexcept {
        ++f.away;
        m.handle = at_home;
        f.of->of->home_.post(m);
    }
    static void ask(qos_flow& f) noexcept {
        show_wanted(f);
        f.ticket.bytes_of_each = (f.bytes + f.ios - 1) / f.ios;
        send(f, f.ticket, home_on_ticket);
    }
    static void send_back(qos_flow& f, core::message& m, core::message::handler on_core) noexcept {
        m.handle = on_core;
        f.core->post(m);
    }

    static void home_on_ticket(core::message& m) noexcept {
        qos_flow& f = flow_of(m);
        f.of->of->on_ticket(f.ticket);
    }
    static void core_on_ticket(core::message& m) noexcept;

    static void home_on_cancel(core::message& m) noexcept {
        qos_flow& f = *static_cast<qos_flow::cancel_message&>(m).flow;
        if (f.ticket.waits) {
            f.of->of->scheduler_.remove(f.ticket);
            send_back(f, f.ticket, core_on_ticket);
        }
        send_back(f, f.cancel, core_on_cancelled);
    }
    static void core_on_cancelled(core::message& m) noexcept {
        qos_flow& f = *static_cast<qos_flow::cancel_message&>(m).flow;
        --f.away;
        go_if_done(f);
    }

    static void end(qos_flow& f) noexcept {
        f.ended = true;
        if (f.away == 0)
            return go_if_done(f);
        send(f, f.cancel, home_on_cancel);
    }
    /// Its host is the scheduler's to forget, and then the flow goes.
    static void go_if_done(qos_flow& f) noexcept {
        if (!f.ended || f.away > 0)
            return;
        send(f, f.ticket, home_on_end);
    }
    static void home_on_end(core::message& m) noexcept {
        qos_flow& f = flow_of(m);
        f.of->of->leave_host(*f.ticket.host);
        send_back(f, f.ticket, core_on_end);
    }
    static void core_on_end(core::message& m) noexcept {
        qos_flow& f = flow_of(m);
        core_qos& of = *f.of;
        of.flows.remove(f);
        delete &f;
        if (of.no_flows && of.flows.empty())
            of.no_flows->set();
    }
};

/// Resumes the commands that what was granted pays for. A fused pair counts as two I/Os, and does not go on with one.
/// What they cost otherwise than expected is settled with the limits.
void qos_messages::core_on_ticket(core::message& m) noexcept {
    qos_flow& f = flow_of(m);
    const qos_ticket& t = f.ticket;
    std::uint64_t ios = std::exchange(f.kept_ios, 0) + t.granted;
    auto bytes = static_cast<std::int64_t>(std::exchange(f.kept_bytes, 0) + t.granted * t.bytes_of_each);
    while (f.first && side_of(*f.first).metered_ios <= ios) {
        ios -= side_of(*f.first).metered_ios;
        bytes -= static_cast<std::int64_t>(side_of(*f.first).metered_bytes);
        resume_first(f);
    }
    if (f.first && ios > 0) {
        f.kept_ios = std::exchange(ios, 0);
        f.kept_bytes = f.kept_ios * t.bytes_of_each;
        bytes -= static_cast<std::int64_t>(f.kept_bytes);
    }
    if (t.charged && (ios > 0 || bytes != 0)) {
        f.of->of->limiter().charge(t.direction, -static_cast<std::int64_t>(ios), -bytes);
        t.host->own.charge(t.direction, -static_cast<std::int64_t>(ios), -bytes);
    }
    --f.away;
    if (f.ended)
        go_if_done(f);
    else if (f.first)
        ask(f);
}

bool defer(core_qos& q, request& r, const io_cost& c, qos_flow::resume_function resume) noexcept {
    qos_flow* f = find_flow(*r.qpair, q, c.direction);
    if (!f) {
        f = new (std::nothrow) qos_flow;
        if (!f)
            return false;
        qpair_target_side& side = side_of(*r.qpair);
        f->of = &q;
        f->owner = r.qpair;
        f->core = &r.qpair->home();
        f->resume = resume;
        side.controller->host_nqn().copy(f->host_nqn.data(), f->host_nqn.size() - 1);
        f->ticket.flow = f->cancel.flow = f;
        f->ticket.direction = c.direction;
        f->next_of_qpair = std::exchange(side.qos_flows, f);
        q.flows.push_back(*f);
    }
    push(*f, r, c);
    if (f->away == 0)
        qos_messages::ask(*f);
    return true;
}

void cancel_deferred(request& r) noexcept {
    qos_flow& f = *side_of(r).flow;
    if (request* const second = side_of(r).fused; second && side_of(*second).half_is_deferred)
        return replace(f, r, *second);
    remove(f, r);
}

void end_flows(qpair& q) noexcept {
    while (qos_flow* const f = side_of(q).qos_flows) {
        assert(!f->first);  // its transport has abandoned them
        unlist(q, *f);
        qos_messages::end(*f);
    }
}

// ---- The namespace's.

namespace {

using namespace std::chrono_literals;

bool sleeps(const core::reactor_group& group) noexcept {
    return !group.control().options().never_sleep;
}

/// Where other programs use the CPUs of cores that sleep, the kernel lets a wake-up come late now and then.
core::nanoseconds late_wake_ups(const core::reactor_group& group) noexcept {
    return sleeps(group) ? 1ms : 0ms;
}

}  // namespace

/// Each round of grants wakes the cores of hosts and flows, if they sleep.
namespace_qos::namespace_qos(core::reactor_group& group, core::reactor& home)
    : group_(group), home_(home), cores_(group.size()), limits_(group.time(), group.size(), late_wake_ups(group)),
      timer_(home, [this] { serve_all(); }), tick_(sleeps(group) ? 500us : 250us) {
    for (std::size_t i = 0; i < cores_.size(); ++i)
        cores_.on(i).of = this;
}

void namespace_qos::begin_with(bdev::rate_limits limits) {
    limits_.set(limits, group_.time().now());
    device_limited_ = open_ = limits.any();
}

core::task<> namespace_qos::set_limits(bdev::rate_limits limits) {
    core::reactor& control = *core::reactor::current();
    device_limited_ = limits.any();
    const bool open = limited();
    co_await core::switch_to(home_);
    limits_.set(limits, group_.time().now());
    reopen(open);
    co_await core::switch_to(control);
}

core::task<rate_limiter*> namespace_qos::set_host(std::string nqn, host_share before, host_share share) {
    core::reactor& control = *core::reactor::current();
    limited_hosts_ += share.limits.any();
    limited_hosts_ -= before.limits.any();
    const bool open = limited();
    co_await core::switch_to(home_);
    qos_host& h = host_of(nqn);
    if (!std::exchange(h.is_set, true))
        ++h.users;
    h.own.set(share.limits, group_.time().now());
    scheduler_.set_weight(h, share.weight);
    reopen(open);
    co_await core::switch_to(control);
    co_return share.limits.any() ? &h.own : nullptr;
}

core::task<> namespace_qos::leave_unset_host(std::string nqn) {
    core::reactor& control = *core::reactor::current();
    co_await core::switch_to(home_);
    if (const auto h = hosts_.find(nqn); h != hosts_.end() && std::exchange(h->second.is_set, false))
        leave_host(h->second);
    co_await core::switch_to(control);
}

/// What waits goes on under the limits as they are now.
void namespace_qos::reopen(bool open) noexcept {
    open_ = open;
    if (open_)
        serve_all();
    else
        release_all();
}

core::task<> namespace_qos::close() {
    core::reactor& control = *core::reactor::current();
    co_await core::switch_to(home_);
    open_ = false;
    release_all();
    for (const auto& r : group_) {
        co_await core::switch_to(*r);
        core_qos& q = cores_.on(r->index());
        for (qos_flow* f = q.flows.front(); f; f = f->after) {
            if (f->ended)
                continue;
            qpair* const owner = f->owner;
            while (f->first)
                resume_first(*f);
            unlist(*owner, *f);
            qos_messages::end(*f);
        }
        core::event gone;
        q.no_flows = &gone;
        if (!q.flows.empty())
            co_await gone.wait();
        q.no_flows = nullptr;
    }
    co_await core::switch_to(control);
}

void namespace_qos::on_limits_changed(core_qos& q, bool limited) noexcept {
    q.credit.reset();
    if (limited)
        return;
    for (qos_flow* f = q.flows.front(); f; f = f->after)
        while (f->first)
            resume_first(*f);
}

void namespace_qos::on_host_changed(core_qos& q, const std::string& nqn, rate_limiter* limits) {
    q.last_host = {};
    if (limits)
        q.hosts.insert_or_assign(nqn, core_host{limits, {}});
    else
        q.hosts.erase(nqn);
}

core_host* find_limited_host(core_qos& q, const qpair& of) noexcept {
    const qpair_target_side& side = side_of(of);
    if (q.last_host.number == side.host_number)
        return q.last_host.host;
    const auto h = q.hosts.find(side.controller->host_nqn());
    q.last_host = {side.host_number, h == q.hosts.end() ? nullptr : &h->second};
    return q.last_host.host;
}

qos_host& namespace_qos::host_of(const std::string& nqn) {
    return hosts_.try_emplace(nqn, group_.time(), group_.size(), late_wake_ups(group_)).first->second;
}

void namespace_qos::leave_host(qos_host& h) noexcept {
    if (--h.users > 0)
        return;
    scheduler_.forget(h);
    std::erase_if(hosts_, [&](const auto& entry) { return &entry.second == &h; });
}

void namespace_qos::on_ticket(qos_ticket& t) noexcept {
    if (!t.host) {
        t.host = &host_of(static_cast<qos_flow::ticket_message&>(t).flow->host_nqn.data());
        ++t.host->users;
    }
    if (!open_) {  // nothing has to wait
        t.granted = t.wanted.load(std::memory_order_relaxed);
        t.charged = false;
        t.next = nullptr;
        return send_back(&t);
    }
    const core::ticks now = group_.time().now();
    scheduler_.insert(t, now);
    send_back(scheduler_.serve_newcomer(now, *t.host));
    arm();
}

void namespace_qos::serve_all() noexcept {
    last_tick_ = group_.time().now();
    send_back(scheduler_.serve(last_tick_));
    arm();
}

void namespace_qos::release_all() noexcept {
    timer_.cancel();
    send_back(scheduler_.release_all());
}

void namespace_qos::send_back(qos_ticket* granted) noexcept {
    while (qos_ticket* const t = granted) {
        granted = t->next;  // before it is on its way
        qos_messages::send_back(*static_cast<qos_flow::ticket_message*>(t)->flow, *t, qos_messages::core_on_ticket);
    }
}

/// For the next credit. Grants are gathered: many small ones would cost many messages.
void namespace_qos::arm() noexcept {
    const auto due = scheduler_.next_due();
    if (!due)
        return timer_.cancel();
    const core::clock& time = group_.time();
    const core::ticks now = time.now();
    const core::ticks at = std::max({*due, last_tick_ + time.to_ticks(tick_), now});
    timer_.arm_after(time.to_nanoseconds(at - now) + core::nanoseconds(1));
}

}  // namespace causeway::nvmf
