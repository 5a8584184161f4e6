// SPDX-License-Identifier: Apache-2.0
// What the refusal bits of a namespace refuse, and with which status. Runs on the qpair's core, if a bit is set.

#include "nvmf/command/io_commands.h"
#include "nvmf/model/controller.h"

namespace causeway::nvmf {

namespace {

/// Whether a write-protected namespace accepts it. NVM Express Base Specification 2.0, "Namespace Write Protection".
bool leaves_content_alone(const nvme::command& c) noexcept {
    switch (c.as_io()) {
    case nvme::io_opcode::read:
    case nvme::io_opcode::compare:
    case nvme::io_opcode::verify:
    case nvme::io_opcode::reservation_register:
    case nvme::io_opcode::reservation_report:
    case nvme::io_opcode::reservation_acquire:
    case nvme::io_opcode::reservation_release:
    case nvme::io_opcode::flush: return true;
    case nvme::io_opcode::dataset_management: return !nvme::dsm_view{c}.deallocate();
    default: return false;
    }
}

verdict check_read_only(const request& r, const core_namespace&) noexcept {
    if (leaves_content_alone(r.command))
        return {};
    return {nvme::sc::namespace_is_write_protected.with_dnr(), offsetof(nvme::command, nsid)};
}

verdict check_ana(const request& r, const core_namespace& ns) noexcept {
    const ana_reader* const states = side_of(*r.qpair).controller->ana();
    return states ? verdict(states->access(ns.ana_group)) : verdict();
}

verdict check_reservation(const request& r, const core_namespace& ns) noexcept {
    const auto access = reservation::access_of(r.command.as_io());
    if (access && ns.reservation->is_unknown)
        return nvme::sc::internal_path_error;
    if (access && ns.reservation->refuses(side_of(*r.qpair).controller->host_id(), *access))
        return nvme::sc::reservation_conflict.with_dnr();
    return {};
}

struct refusal_bit {
    std::uint8_t bit;
    verdict (*check)(const request& r, const core_namespace& ns) noexcept;
};

/// In the order in which they are asked: the first that refuses gives the status.
constexpr refusal_bit bits[] = {
    {refusal::ana, check_ana},
    {refusal::read_only, check_read_only},
    {refusal::reservation, check_reservation},
};

}  // namespace

verdict check_refusals(const request& r, const core_namespace& ns) noexcept {
    if (ns.is_hidden_from(side_of(*r.qpair).host_number))  // before all else: as where there is no namespace
        return {nvme::sc::invalid_namespace_or_format.with_dnr(), offsetof(nvme::command, nsid)};
    // What the device does not know is Invalid Opcode, whatever else refuses it: the command's own check refuses it.
    if (const auto op = io_commands[r.command.opcode].required_op; op && !ns.device->capabilities().supports(*op))
        return {};
    for (const refusal_bit& b : bits)
        if (ns.refusals & b.bit)
            if (const verdict v = b.check(r, ns); !v.ok())
                return v;
    return {};
}

[[gnu::cold]] verdict check_again(request& r, const core_namespace* ns) noexcept {
    request_target_side& mine = side_of(r);
    if (!ns || mine.ns_admission < ns->generation)
        return {nvme::sc::invalid_namespace_or_format.with_dnr(), offsetof(nvme::command, nsid)};
    if (ns->refusals != 0)
        if (const verdict v = check_refusals(r, *ns); !v.ok())
            return v;
    mine.ns_admission = ns->admission;
    return {};
}

[[gnu::cold]] void run_if_still_good(request& r, const core_namespace* ns) noexcept {
    if (const verdict v = check_again(r, ns); !v.ok())
        return finish_logged(r, v);
    side_of(r).run(r);  // which finds the admission that it has been checked under
}

}  // namespace causeway::nvmf
