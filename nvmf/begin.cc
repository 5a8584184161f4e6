// SPDX-License-Identifier: Apache-2.0
// What transports call for each command: begin() and execute(). Runs on the qpair's core.

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/fabrics_commands.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/target.h"
#include "nvmf/target_side.h"
#include "nvmf/trace.h"

namespace causeway::nvmf {

namespace {

constexpr unsigned at_opcode = offsetof(nvme::command, opcode);
constexpr unsigned at_flags = offsetof(nvme::command, flags);
constexpr unsigned at_nsid = offsetof(nvme::command, nsid);

void run(request& r) noexcept {
    ++side_of(*r.qpair).executing;
    side_of(r).run(r);
}

enum class takes_credit : bool { no, yes };

/// Of a namespace that refuses some commands, or where hosts have limits of their own.
template <takes_credit Credit>
[[gnu::noinline]] verdict check_restricted(request& r, const core_namespace& ns) noexcept {
    if (const verdict v = check_refusals(r, ns); !v.ok())
        return v;
    if (const verdict v = io_commands[r.command.opcode].check(r, ns); !v.ok()) [[unlikely]]
        return v;
    // Last: what is refused has used nothing up.
    if (Credit == takes_credit::yes && (ns.refusals & refusal::throttled))
        return admit(r, ns);
    return {};
}

[[gnu::noinline]] nvme::status wait_for_credit(const request& r) noexcept {
    trace_state(r, "waits for credit");
    return deferred;
}

[[gnu::noinline]] nvme::status begin_out_of_line(request& r) noexcept {
    const nvme::status begun = begin_unusual(r);
    return begun == deferred ? wait_for_credit(r) : begun;
}

[[gnu::cold, gnu::noinline]] void run_traced(request& r) noexcept {
    print_state(r, "executes");
    run(r);
}

}  // namespace

namespace {

template <takes_credit Credit>
inline verdict check(request& r) noexcept {
    const io_command& c = io_commands[r.command.opcode];
    if (!c.check) [[unlikely]]
        return {nvme::sc::invalid_opcode.with_dnr(), at_opcode};
    if (r.command.psdt() != nvme::psdt::sgl) [[unlikely]]
        return wrong_field(at_flags, 6);
    request_target_side& mine = side_of(r);
    r.transfer = c.direction;
    mine.run = c.run;
    const std::uint32_t nsid = r.command.nsid;
    const core_namespace* ns = side_of(*r.qpair).namespaces->find(nsid);
    if (!ns) [[unlikely]] {
        if (c.allows_broadcast_nsid && nsid == nvme::broadcast_nsid)
            return {};
        return {nvme::sc::invalid_namespace_or_format.with_dnr(), at_nsid};
    }
    mine.ns_admission = ns->admission;
    // Tail calls: one in between would cost all others a frame.
    if (ns->refusals != 0) [[unlikely]]
        return Credit == takes_credit::yes && ns->refusals == refusal::throttled ? c.check_throttled(r, *ns)
                                                                                 : check_restricted<Credit>(r, *ns);
    return c.check(r, *ns);
}

}  // namespace

verdict check_io(request& r) noexcept {
    return check<takes_credit::yes>(r);
}

verdict check_half(request& r) noexcept {
    return check<takes_credit::no>(r);
}

nvme::status target::begin(request& r) noexcept {
    const qpair_target_side& q = side_of(*r.qpair);
    request_target_side& mine = side_of(r);
    r.transfer = transfer::none;
    r.length = 0;
    r.completion.set_result64(0);
    mine.fused = nullptr;
    mine.waits_for_fused = false;
    mine.stall_epoch = r.qpair->stall_epoch;
    if (!q.namespaces || r.command.opcode == nvme::fabrics_opcode) [[unlikely]]
        return begin_admin(r);
    trace_state(r, "begins");  // here `this` need not outlive the call
    if (r.command.flags != plain_flags || q.held_fused || q.fused_first_failed) [[unlikely]]
        return begin_out_of_line(r);
    if (const verdict v = check_io(r); !v.ok()) [[unlikely]]
        return v.status == deferred ? wait_for_credit(r) : refuse(r, v);
    return {};
}

nvme::status target::begin_admin(request& r) noexcept {
    trace_state(r, "begins");
    if (qpair_target_side& q = side_of(*r.qpair); !q.target) {
        q.target = this;
        q.counters = &counters_.on(r.qpair->home().index());
    }
    cancel_expected_second(*r.qpair);
    const verdict v = r.command.opcode == nvme::fabrics_opcode ? check_fabrics(r) : check_admin(r);
    return v.ok() ? v.status : refuse(r, v);
}

void target::abandon(request& r) noexcept {
    if (side_of(r).flow)
        cancel_deferred(r);
    abandon_half(r);
}

void target::execute(request& r) noexcept {
    if (trace_requests.on()) [[unlikely]]
        return run_traced(r);  // not a call in between, for which the others would need a frame
    run(r);
}

}  // namespace causeway::nvmf
