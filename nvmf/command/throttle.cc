// SPDX-License-Identifier: Apache-2.0
// Commands on namespaces with limits: what they cost, and how they wait and go on. Runs on the qpair's core.

#include "nvmf/command/io_commands.h"

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

/// What has come to refuse it while it waited refuses it when it executes, as it does what waited for data.
void go_on(request& r) noexcept {
    r.qpair->resume(r);
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

void charge(core_qos& q, core_host* h, io_direction d, std::uint64_t ios, std::uint64_t bytes) noexcept {
    for (rate_limiter* const limits : {&q.of->limiter(), h ? h->limits : nullptr})
        if (limits)
            limits->charge(d, static_cast<std::int64_t>(ios), static_cast<std::int64_t>(bytes));
}

core_host* limited_host_of(core_qos& q, const request& r) noexcept {
    return q.hosts.empty() ? nullptr : find_limited_host(q, *r.qpair);
}

[[gnu::noinline]] bool draw_or_wait(request& r, core_qos& q, const io_cost& c) noexcept {
    core_host* const h = limited_host_of(q, r);
    if (take_from_both(r, q, h, c))
        return true;
    if (r.command.fuse() != nvme::fuse::normal) {
        charge(q, h, c.direction, c.ios, c.bytes);
        return true;
    }
    if (!defer(q, r, c, go_on)) {
        charge(q, h, c.direction, c.ios, c.bytes);
        return true;  // there is no memory to wait in: it is paid back by those that come
    }
    side_of(*r.qpair).counters->throttled_commands.add();
    return false;
}

}  // namespace

bool admit(request& r, const core_namespace& ns) noexcept {
    const metered kind = io_commands[r.command.opcode].cost;
    if (kind == metered::no)
        return true;
    core_qos& q = *ns.qos;
    const io_cost c = cost_of(r, kind, ns.block_shift);
    if (q.hosts.empty() && q.credit.take(c)) [[likely]]
        return true;
    return draw_or_wait(r, q, c);
}

void charge(const request& r, const core_namespace& ns, bdev::op o, std::uint64_t blocks) noexcept {
    if ((ns.refusals & refusal::throttled) == 0)
        return;
    const io_direction d = bdev::changes_content(o) ? io_direction::write : io_direction::read;
    charge(*ns.qos, limited_host_of(*ns.qos, r), d, 0, blocks << ns.block_shift);
}

}  // namespace causeway::nvmf
