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

[[gnu::noinline]] bool draw_or_wait(request& r, core_qos& q, const io_cost& c) noexcept {
    if (q.of->limiter().draw(q.credit, c, r.qpair->home().now()) && q.credit.take(c))
        return true;
    if (!defer(q, r, c, go_on)) {
        q.of->limiter().charge(c.direction, static_cast<std::int64_t>(c.ios), static_cast<std::int64_t>(c.bytes));
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
    if (q.credit.take(c)) [[likely]]
        return true;
    if (r.command.fuse() != nvme::fuse::normal) {
        q.of->limiter().charge(c.direction, static_cast<std::int64_t>(c.ios), static_cast<std::int64_t>(c.bytes));
        return true;
    }
    return draw_or_wait(r, q, c);
}

void charge(const core_namespace& ns, bdev::op o, std::uint64_t blocks) noexcept {
    if ((ns.refusals & refusal::throttled) == 0)
        return;
    const io_direction d = bdev::changes_content(o) ? io_direction::write : io_direction::read;
    ns.qos->of->limiter().charge(d, 0, static_cast<std::int64_t>(blocks << ns.block_shift));
}

}  // namespace causeway::nvmf
