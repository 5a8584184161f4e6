// SPDX-License-Identifier: Apache-2.0
// The features of a namespace that are about its reservation: Reservation Notification Mask and Reservation
// Persistence. NVM Express Base Specification 2.0, "Set Features command". Control reactor.

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/control_work.h"
#include "nvmf/command/features.h"

#include <vector>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_nsid = offsetof(nvme::command, nsid);
constexpr unsigned at_value = offsetof(nvme::command, cdw11);

using list = std::vector<std::shared_ptr<nvm_namespace>>;

/// Where ANA refuses I/O, these features are not available either. "ANA effects on Command Processing".
verdict check_ana(const controller& c, const nvm_namespace& ns) {
    return c.ana() ? verdict(status_of(c.ana()->states().state(ns.ana_group()))) : verdict();
}

/// Those of the command's NSID; FFFFFFFFh, where it is allowed, means all that have reservations.
verdict find(const controller& c, const request& r, bool all_allowed, list& found) {
    const auto& all = c.subsystem().namespaces().all();
    if (all_allowed && r.command.nsid == nvme::broadcast_nsid) {
        for (const auto& [nsid, ns] : all) {
            if (!visible(c, *ns) || !ns->reservation().is_supported())
                continue;
            if (const verdict v = check_ana(c, *ns); !v.ok())
                return v;
            found.push_back(ns);
        }
        return {};
    }
    const auto it = all.find(r.command.nsid);
    if (it == all.end() || !visible(c, *it->second))
        return {nvme::sc::invalid_namespace_or_format.with_dnr(), at_nsid};
    if (!it->second->reservation().is_supported())
        return wrong_field(at_nsid);
    found.push_back(it->second);
    return check_ana(c, *it->second);
}

/// A mask is the host's: it holds for all its controllers.
verdict set_mask(controller& c, const list& of, std::uint32_t mask) {
    constexpr std::uint32_t known = nvme::reservation_mask_registration_preempted |
                                    nvme::reservation_mask_reservation_released |
                                    nvme::reservation_mask_reservation_preempted;
    if (mask & ~known)
        return wrong_field(at_value);
    for (const auto& [cntlid, other] : c.subsystem().controllers().all())
        if (other->host_id() == c.host_id())
            for (const auto& ns : of)
                other->reservation_notices().set_mask(ns->nsid(), ns->generation(), mask);
    return {};
}

core::task<> set_persistence(request& r, list of, bool persists) {
    verdict v;
    for (const auto& ns : of) {
        auto change = [persists](const reservation::state& now) {
            reservation::transition t{{}, now};
            t.next.persists = persists;
            return t;
        };
        v = co_await ns->reservation().change(std::move(change));
        if (!v.ok())
            break;
    }
    finish_on_home_core(r, v);
}

outcome set_persistence(request& r, list of, std::uint32_t value) {
    if (value & ~nvme::reservation_persistence_ptpl)
        return wrong_field(at_value);
    for (const auto& ns : of)
        if (value && !ns->reservation().can_persist())
            return wrong_field(at_value);
    core::detach(set_persistence(r, std::move(of), value != 0));
    return {};
}

}  // namespace

outcome set_reservation_feature(controller& c, request& r) {
    list of;
    if (const verdict v = find(c, r, true, of); !v.ok())
        return v;
    const nvme::features_view command{r.command};
    return command.fid() == nvme::fid::reservation_notification_mask
               ? set_mask(c, of, r.command.cdw11)
               : set_persistence(r, std::move(of), r.command.cdw11);
}

outcome get_reservation_feature(controller& c, request& r) {
    list of;
    if (const verdict v = find(c, r, false, of); !v.ok())
        return v;
    const nvm_namespace& ns = *of.front();
    const nvme::features_view command{r.command};
    r.completion.dw0 = command.fid() == nvme::fid::reservation_notification_mask
                           ? c.reservation_notices().mask_of(ns.nsid(), ns.generation())
                           : std::uint32_t{ns.reservation().state().persists};
    return verdict();
}

}  // namespace causeway::nvmf
