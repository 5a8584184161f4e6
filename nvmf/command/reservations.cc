// SPDX-License-Identifier: Apache-2.0
// Reservation Register, Report, Acquire and Release. NVM Express Base Specification 2.0, "Reservations". They come on
// I/O queues and run on the control reactor.

#include "nvme/fabrics.h"
#include "nvme/reservation.h"

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/control_work.h"
#include "nvmf/command/io_commands.h"

#include <functional>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_opcode = offsetof(nvme::command, opcode);
constexpr unsigned at_nsid = offsetof(nvme::command, nsid);
constexpr unsigned at_numd = offsetof(nvme::command, cdw10);
constexpr unsigned at_eds = offsetof(nvme::command, cdw11);

template <class Data>
verdict check(request& r, const core_namespace& ns) noexcept {
    if (!ns.has_reservations)
        return {nvme::sc::invalid_opcode.with_dnr(), at_opcode};
    r.length = sizeof(Data);
    return {};
}

template <class Data>
Data data_of(const request& r) noexcept {
    Data d;
    bdev::copy_out(reinterpret_cast<std::byte*>(&d), r.data(), sizeof d);
    return d;
}

/// The namespace that begin() has checked the command against; nullptr: it has gone.
std::shared_ptr<nvm_namespace> namespace_of(const controller& c, const request& r) {
    const auto& all = c.subsystem().namespaces().all();
    const auto it = all.find(r.command.nsid);
    const bool same = it != all.end() && it->second->active() && side_of(r).ns_admission >= it->second->generation();
    return same ? it->second : nullptr;
}

/// What all four have in common on the control reactor.
outcome with_namespace(controller& c, request& r, auto run) {
    if (!c.ready())  // a reset, or the end of the controller, has come first
        return verdict(nvme::sc::aborted_sq_deletion);
    if (std::shared_ptr<nvm_namespace> ns = namespace_of(c, r))
        return run(std::move(ns));
    return verdict(nvme::sc::invalid_namespace_or_format.with_dnr(), at_nsid);
}

/// `keep`: the request refers to its controller.
core::task<> change([[maybe_unused]] std::shared_ptr<controller> keep, request& r, std::shared_ptr<nvm_namespace> ns,
                    namespace_reservation::command command, bool aborts) {
    const verdict v = co_await ns->reservation().change(std::move(command), aborts);
    finish_on_home_core(r, v);
}

template <class Command>
outcome start_change(controller& c, request& r, const Command& command, bool aborts = false) {
    // Hosts without an identifier would all be one.
    if (c.host_id() == reservation::host_id{})
        return verdict(nvme::sc::command_sequence_error.with_dnr());
    return with_namespace(c, r, [&](std::shared_ptr<nvm_namespace> ns) -> outcome {
        auto apply = [command, by = c.host_id(),
                      can_persist = ns->reservation().can_persist()](const reservation::state& now) {
            if constexpr (std::is_same_v<Command, reservation::register_command>)
                return reservation::apply(now, by, command, can_persist);
            else
                return reservation::apply(now, by, command);
        };
        core::detach(change(c.shared_from_this(), r, std::move(ns), std::move(apply), aborts));
        return {};
    });
}

outcome register_at_control(controller& c, request& r) {
    const nvme::reservation_view v{r.command};
    const auto d = data_of<nvme::reservation_register_data>(r);
    return start_change(c, r,
                        reservation::register_command{.action = v.register_action(),
                                                      .ignore_existing_key = v.ignore_existing_key(),
                                                      .ptpl_change = v.ptpl_change(),
                                                      .crkey = d.crkey,
                                                      .nrkey = d.nrkey});
}

outcome acquire_at_control(controller& c, request& r) {
    const nvme::reservation_view v{r.command};
    const auto d = data_of<nvme::reservation_acquire_data>(r);
    return start_change(c, r,
                        reservation::acquire_command{.action = v.acquire_action(),
                                                     .ignore_existing_key = v.ignore_existing_key(),
                                                     .type = v.type(),
                                                     .crkey = d.crkey,
                                                     .prkey = d.prkey},
                        v.acquire_action() == nvme::reservation_acquire_action::preempt_and_abort);
}

outcome release_at_control(controller& c, request& r) {
    const nvme::reservation_view v{r.command};
    const auto d = data_of<nvme::reservation_release_data>(r);
    return start_change(c, r,
                        reservation::release_command{.action = v.release_action(),
                                                     .ignore_existing_key = v.ignore_existing_key(),
                                                     .type = v.type(),
                                                     .crkey = d.crkey});
}

/// Every controller is a dynamic one: the registrants are hosts, whichever controllers they have now.
std::vector<std::byte> report(const reservation::state& s) {
    std::vector<std::byte> page(sizeof(nvme::reservation_status_extended_header) +
                                s.registrants.size() * sizeof(nvme::registered_controller_extended));
    nvme::reservation_status_extended_header head{};
    head.status.gen = s.generation;
    head.status.rtype = nvme::to_underlying(s.type);
    head.status.regctl = static_cast<std::uint16_t>(s.registrants.size());
    head.status.ptpls = s.persists;
    std::byte* to = page.data();
    std::memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (const reservation::registrant& r : s.registrants) {
        nvme::registered_controller_extended e{};
        e.cntlid = nvme::cntlid_dynamic;
        e.rcsts = s.is_holder(r.host) ? nvme::rcsts_holds_reservation : 0;
        e.rkey = r.key;
        std::copy(r.host.begin(), r.host.end(), e.hostid);
        std::memcpy(to, &e, sizeof e);
        to += sizeof e;
    }
    return page;
}

core::task<> report_confirmed([[maybe_unused]] std::shared_ptr<controller> keep, request& r,
                              std::shared_ptr<nvm_namespace> ns) {
    reservation::state now;
    const verdict v = co_await ns->reservation().report(now);
    if (v.ok())
        set_response_data(r, report(now));
    finish_on_home_core(r, v);
}

outcome report_at_control(controller& c, request& r) {
    return with_namespace(c, r, [&](std::shared_ptr<nvm_namespace> ns) -> outcome {
        core::detach(report_confirmed(c.shared_from_this(), r, std::move(ns)));
        return {};
    });
}

/// On the qpair's core. What has come to refuse it while it waited for its data or a buffer refuses it now. A change
/// may not come late: its host may have made another one elsewhere.
template <outcome (*Run)(controller&, request&), bool IsChange>
void run_once_more_checked(request& r) noexcept {
    if (!(IsChange ? acquire_namespace_to_change(r) : acquire_namespace(r)))
        return;
    release_namespace(r);
    run_at_control<Run>(r);
}

}  // namespace

verdict check_reservation_register(request& r, const core_namespace& ns) noexcept {
    return check<nvme::reservation_register_data>(r, ns);
}

verdict check_reservation_acquire(request& r, const core_namespace& ns) noexcept {
    return check<nvme::reservation_acquire_data>(r, ns);
}

verdict check_reservation_release(request& r, const core_namespace& ns) noexcept {
    return check<nvme::reservation_release_data>(r, ns);
}

verdict check_reservation_report(request& r, const core_namespace& ns) noexcept {
    if (!ns.has_reservations)
        return {nvme::sc::invalid_opcode.with_dnr(), at_opcode};
    const nvme::reservation_report_view c{r.command};
    // The host identifiers of fabrics have 128 bits, which the other format has no room for.
    if (!c.extended())
        return {nvme::sc::host_id_inconsistent.with_dnr(), at_eds};
    if (c.length_bytes() > side_of(*r.qpair).max_io_bytes)
        return wrong_field(at_numd);
    r.length = static_cast<std::uint32_t>(c.length_bytes());
    return {};
}

void run_reservation_register(request& r) noexcept {
    run_once_more_checked<register_at_control, true>(r);
}
void run_reservation_acquire(request& r) noexcept {
    run_once_more_checked<acquire_at_control, true>(r);
}
void run_reservation_release(request& r) noexcept {
    run_once_more_checked<release_at_control, true>(r);
}
void run_reservation_report(request& r) noexcept {
    run_once_more_checked<report_at_control, false>(r);
}

}  // namespace causeway::nvmf
