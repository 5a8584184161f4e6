// SPDX-License-Identifier: Apache-2.0
// Commands on namespaces with limits: what they cost, and how they wait and go on. Runs on the qpair's core.

#include "nvmf/command/io_commands.h"

#include <algorithm>
#include <optional>

namespace causeway::nvmf {

namespace {

io_cost cost_of(const request& r, metered kind, std::uint8_t block_shift) noexcept {
    io_cost c;
    c.direction = kind == metered::read ? io_direction::read : io_direction::write;
    if (kind != metered::io)
        c.bytes = r.length;
    if (r.command.as_io() == nvme::io_opcode::verify)  // moves nothing to us, and is read all the same
        c.bytes = std::uint64_t{nvme::block_command_view{r.command}.blocks()} << block_shift;
    return c;
}

bool take_or_draw(core_credit& from, rate_limiter& limits, const request& r, const io_cost& c) noexcept {
    return from.take(c) || (limits.draw(from, c, r.qpair->home().now()) && from.take(c));
}

/// Of the namespace's limits, and of its host's if that has any.
bool take_from_both(const request& r, core_qos& q, core_host* h, const io_cost& c) noexcept {
    if (h && !take_or_draw(h->credit, *h->limits, r, c))
        return false;
    if (take_or_draw(q.credit, q.of->limiter(), r, c))
        return true;
    if (h)
        h->credit.give_back(c);
    return false;
}

void charge(core_qos& q, core_host* h, io_direction d, std::uint64_t ios, std::int64_t bytes) noexcept {
    for (rate_limiter* const limits : {&q.of->limiter(), h ? h->limits : nullptr})
        if (limits)
            limits->charge(d, static_cast<std::int64_t>(ios), bytes);
}

core_host* limited_host_of(core_qos& q, const request& r) noexcept {
    return q.hosts.empty() ? nullptr : find_limited_host(q, *r.qpair);
}

constexpr io_direction other(io_direction d) noexcept {
    return d == io_direction::read ? io_direction::write : io_direction::read;
}

/// What has come to refuse it while it waited refuses it when it executes, as it does what waited for data.
void go_on(core_qos& q, request& r, io_direction waited) noexcept {
    if (!side_of(r).half_is_deferred) [[likely]]
        return r.qpair->resume(r);
    // A pair waits as if all its bytes went in one direction.
    core_host* const h = limited_host_of(q, r);
    charge(q, h, waited, 0, -std::int64_t{r.length});
    charge(q, h, other(waited), 0, r.length);
    resume_halves(r);
}

/// False: there is no memory to wait in.
bool wait(request& r, core_qos& q, const io_cost& c) noexcept {
    if (!defer(q, r, c, go_on))
        return false;
    side_of(*r.qpair).counters->throttled_commands.add();
    return true;
}

io_cost half_of_pair(const request& r, io_direction d) noexcept {
    return {1, r.length, d};
}

/// In which the limits are used up for longer.
io_direction scarcer_direction(core_qos& q, const core_host* h) noexcept {
    const auto ready_at = [&](io_direction d) {
        return std::max(q.of->limiter().ready_at(d), h ? h->limits->ready_at(d) : 0);
    };
    return ready_at(io_direction::write) >= ready_at(io_direction::read) ? io_direction::write : io_direction::read;
}

/// Takes what both halves cost. The direction that has too little; nullopt: they have what they need.
std::optional<io_direction> take_pair(const request& first, core_qos& q, core_host* h) noexcept {
    const io_direction scarcer = scarcer_direction(q, h);
    const io_cost one = half_of_pair(first, scarcer), two = half_of_pair(first, other(scarcer));
    if (!take_from_both(first, q, h, one))
        return one.direction;
    if (take_from_both(first, q, h, two))
        return std::nullopt;
    q.credit.give_back(one);
    if (h)
        h->credit.give_back(one);
    return two.direction;
}

}  // namespace

verdict draw_or_wait(request& r, const core_namespace& ns) noexcept {
    core_qos& q = *ns.qos;
    const io_cost c = cost_of(r, io_commands[r.command.opcode].cost, ns.block_shift);
    core_host* const h = limited_host_of(q, r);
    if (take_from_both(r, q, h, c))
        return {};
    if (wait(r, q, c))
        return deferred;
    charge(q, h, c.direction, c.ios, static_cast<std::int64_t>(c.bytes));  // it is paid back by those that come
    return {};
}

verdict admit(request& r, const core_namespace& ns) noexcept {
    const metered kind = io_commands[r.command.opcode].cost;
    if (kind == metered::no)
        return {};
    core_qos& q = *ns.qos;
    const io_cost c = cost_of(r, kind, ns.block_shift);
    if (q.hosts.empty() && q.credit.take(c)) [[likely]]
        return {};
    return draw_or_wait(r, ns);
}

verdict check_and_admit(request& r, const core_namespace& ns) noexcept {
    const verdict v = io_commands[r.command.opcode].check(r, ns);
    return v.ok() ? admit(r, ns) : v;
}

verdict admit_pair(request& first, const core_namespace& ns) noexcept {
    if ((ns.refusals & refusal::throttled) == 0)
        return {};
    core_qos& q = *ns.qos;
    core_host* const h = limited_host_of(q, first);
    const auto waits_for = take_pair(first, q, h);
    if (!waits_for)
        return {};
    if (wait(first, q, {2, 2 * std::uint64_t{first.length}, *waits_for}))
        return deferred;
    for (const io_direction each : {io_direction::read, io_direction::write})
        charge(q, h, each, 1, first.length);
    return {};
}

void charge(const request& r, const core_namespace& ns, bdev::op o, std::uint64_t blocks) noexcept {
    if ((ns.refusals & refusal::throttled) == 0)
        return;
    const io_direction d = bdev::changes_content(o) ? io_direction::write : io_direction::read;
    charge(*ns.qos, limited_host_of(*ns.qos, r), d, 0, static_cast<std::int64_t>(blocks << ns.block_shift));
}

}  // namespace causeway::nvmf
