// SPDX-License-Identifier: Apache-2.0
// Reservations, as one host alone can ask for them. NVM Express Base Specification 2.0, "Reservations".

#include "tests/conformance/row_makers.h"

#include "nvme/fabrics.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/reservation.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>

namespace causeway::conformance {

namespace {

using nvme::fid;
using nvme::io_opcode;

const nvme::status conflict = sc::reservation_conflict.with_dnr();

nvme::command reservation(io_opcode op, std::uint32_t cdw10, std::uint32_t length = 16, std::uint32_t nsid = 1) {
    nvme::command c = nvme::make_command(nvme::to_underlying(op), nsid, length);
    c.cdw10 = cdw10;
    return c;
}
bytes keys(std::uint64_t current, std::uint64_t other) {
    return bytes_of(nvme::reservation_register_data{.crkey = current, .nrkey = other});
}
bytes key(std::uint64_t current) {
    return bytes_of(nvme::reservation_release_data{.crkey = current});
}

/// Data that end before the structure does.
void too_short(row_adder& add, io_opcode op, std::uint32_t cdw10, std::uint32_t length) {
    add.fails_without_location(fmt::format("{} bytes of data: too short", length), reservation(op, cdw10, length),
                               sc::data_sgl_length_invalid.with_dnr(), bytes(length));
}

constexpr std::uint32_t iekey = 1 << 3, write_exclusive = 1 << 8, exclusive_access = 2 << 8;

void add_register_rows(std::vector<row>& to, const target_info& t) {
    const auto with_action = [](std::uint32_t cdw10) { return reservation(io_opcode::reservation_register, cdw10); };
    row_adder add(to, "Reservation Register", queue::io);
    add.fails_without_location("Replace by a host that has not registered", with_action(2), conflict, keys(0, 1));
    add.fails_without_location("key 0", with_action(0), invalid_field, keys(0, 0));
    for (const unsigned rrega : {3, 7})
        add.fails(fmt::format("RREGA {}: reserved", rrega), with_action(rrega), invalid_field, at_cdw10, 0, keys(0, 1));
    add.fails("CPTPL 01b: reserved", with_action(1u << 30), invalid_field, at_cdw10 + 3, 6, keys(0, 1));
    add.fails("CPTPL 11b: persistence", with_action(3u << 30), invalid_field, at_cdw10 + 3, 6, keys(0, 1)).note =
        "RESCAP of this namespace says that nothing persists";
    too_short(add, io_opcode::reservation_register, 0, 8);
    add.fails("NSID FFFFFFFFh", reservation(io_opcode::reservation_register, 0, 16, ~0u), invalid_namespace, at_nsid, 0,
              keys(0, 1));
    add.fails_without_location("Unregister by a host that has not registered", with_action(1), conflict, keys(0, 0));
    add.fails_without_location("Unregister with IEKEY by a host that has not registered", with_action(1 | iekey),
                               conflict, keys(0, 0));
    add.fails("NSID that is not active", reservation(io_opcode::reservation_register, 0, 16, t.max_nsid),
              invalid_namespace, at_nsid, 0, keys(0, 1));
    add.works("Register", with_action(0), keys(0, 1));
    add.works("Register, the same key again", with_action(0), keys(0, 1));
    add.fails_without_location("Register, another key", with_action(0), conflict, keys(0, 2));
    add.fails_without_location("Replace, key 0", with_action(2), invalid_field, keys(1, 0));
    add.fails_without_location("Replace with another key", with_action(2), conflict, keys(9, 2));
    add.works("CPTPL 10b: no persistence", with_action(2u << 30), keys(0, 1));
    add.works("Replace", with_action(2), keys(1, 2));
    add.works("Replace with IEKEY", with_action(2 | iekey), keys(9, 1));
    add.fails_without_location("Unregister with another key", with_action(1), conflict, keys(9, 0));
}

void add_acquire_rows(std::vector<row>& to, const target_info& t) {
    const auto with_action = [](std::uint32_t cdw10) { return reservation(io_opcode::reservation_acquire, cdw10); };
    row_adder add(to, "Reservation Acquire", queue::io);
    add.fails("RTYPE 0", with_action(0), invalid_field, at_cdw10 + 1, 0, keys(1, 0));
    add.fails("RTYPE 7: reserved", with_action(7u << 8), invalid_field, at_cdw10 + 1, 0, keys(1, 0));
    add.fails("IEKEY", with_action(write_exclusive | iekey), invalid_field, at_cdw10, 3, keys(1, 0));
    add.fails("RTYPE FFh: reserved", with_action(0xffu << 8), invalid_field, at_cdw10 + 1, 0, keys(1, 0));
    for (const unsigned racqa : {3, 7})
        add.fails(fmt::format("RACQA {}: reserved", racqa), with_action(write_exclusive | racqa), invalid_field,
                  at_cdw10, 0, keys(1, 0));
    too_short(add, io_opcode::reservation_acquire, write_exclusive, 8);
    add.fails("NSID that is not active", reservation(io_opcode::reservation_acquire, write_exclusive, 16, t.max_nsid),
              invalid_namespace, at_nsid, 0, keys(1, 0));
    for (const unsigned type : {1, 2, 3, 4, 5, 6}) {
        add.works(fmt::format("Acquire, RTYPE {}", type), with_action(type << 8), keys(1, 0));
        row_adder(to, "Reservation Release", queue::io)
            .works(fmt::format("Release, RTYPE {}", type), reservation(io_opcode::reservation_release, type << 8, 8),
                   key(1));
    }
    add.fails_without_location("another key", with_action(write_exclusive), conflict, keys(9, 0));
    add.works("Acquire", with_action(write_exclusive), keys(1, 0));
    add.works("Acquire what it holds", with_action(write_exclusive), keys(1, 0));
    add.fails_without_location("Acquire another type", with_action(exclusive_access), conflict, keys(1, 0));
    add.fails_without_location("Preempt, key 0", with_action(write_exclusive | 1), invalid_field, keys(1, 0));
    add.fails_without_location("Preempt, nobody's key", with_action(write_exclusive | 1), conflict, keys(1, 9));
    add.works("Preempt itself", with_action(exclusive_access | 1), keys(1, 1));
    add.works("Preempt and Abort itself", with_action(write_exclusive | 2), keys(1, 1));
}

/// Of this host alone, which holds it.
std::string check_report(std::span<const std::byte> data, const target_info& t) {
    nvme::reservation_status_extended_header head{};
    nvme::registered_controller_extended who{};
    std::memcpy(&head, data.data(), sizeof head);
    std::memcpy(&who, &data[sizeof head], sizeof who);
    const bool right = head.status.gen != 0 && head.status.rtype == 1 && head.status.regctl == 1 &&
                       head.status.ptpls == 0 && who.cntlid == nvme::cntlid_dynamic &&
                       who.rcsts == nvme::rcsts_holds_reservation && who.rkey == 1 &&
                       std::ranges::equal(who.hostid, t.hostid);
    return right ? "" : "not the registrant that holds it";
}

void add_report_rows(std::vector<row>& to, const target_info& t) {
    const nvme::command report =
        with(reservation(io_opcode::reservation_report, 31, 128), [](auto& c) { c.cdw11 = 1; });
    row_adder add(to, "Reservation Report", queue::io);
    add.works("EDS: GEN, RTYPE, REGCTL, PTPLS; CNTLID FFFFh, RCSTS, HOSTID, RKEY", report, bytes(128)).look =
        [t](const nvme::completion&, std::span<const std::byte> data) { return check_report(data, t); };
    add.works("EDS, one dword", with(report, [](auto& c) { c.cdw10 = 0; }), bytes(4));
    add.fails("NUMD FFFFFFFFh: more than MDTS", with(report, [](auto& c) { c.cdw10 = ~0u; }), invalid_field, at_cdw10,
              0, bytes(128));
    add.fails("NSID that is not active", with(report, [&](auto& c) { c.nsid = t.max_nsid; }), invalid_namespace,
              at_nsid, 0, bytes(128));
    add.fails("NSID FFFFFFFFh", with(report, [](auto& c) { c.nsid = ~0u; }), invalid_namespace, at_nsid, 0, bytes(128));
    add.works("EDS, the head alone",
              with(reservation(io_opcode::reservation_report, 15, 64), [](auto& c) { c.cdw11 = 1; }), bytes(64));
    add.fails("host identifiers of 64 bits", reservation(io_opcode::reservation_report, 31, 128),
              sc::host_id_inconsistent.with_dnr(), at_cdw11, 0, bytes(128))
        .note = "fabrics have identifiers of 128 bits only";
}

void add_release_rows(std::vector<row>& to) {
    const auto with_action = [](std::uint32_t cdw10) { return reservation(io_opcode::reservation_release, cdw10, 8); };
    row_adder add(to, "Reservation Release", queue::io);
    add.fails("RTYPE of another type", with_action(exclusive_access), invalid_field, at_cdw10 + 1, 0, key(1));
    add.fails("IEKEY", with_action(write_exclusive | iekey), invalid_field, at_cdw10, 3, key(1));
    for (const unsigned rtype : {0, 7})
        add.fails(fmt::format("RTYPE {}", rtype), with_action(rtype << 8), invalid_field, at_cdw10 + 1, 0, key(1));
    for (const unsigned rrela : {2, 7})
        add.fails(fmt::format("RRELA {}: reserved", rrela), with_action(write_exclusive | rrela), invalid_field,
                  at_cdw10, 0, key(1));
    too_short(add, io_opcode::reservation_release, write_exclusive, 4);
    add.fails_without_location("another key", with_action(write_exclusive), conflict, key(9));
    add.works("Release", with_action(write_exclusive), key(1));
    add.works("Release what nobody holds", with_action(write_exclusive), key(1));
    add.works("Clear", with_action(1), key(1));
    add.fails_without_location("Clear by a host that has not registered", with_action(1), conflict, key(1));
}

void add_namespace_feature_rows(std::vector<row>& to, const target_info& t) {
    const auto get = [](fid f, std::uint32_t nsid) {
        return with(nvme::make_get_features(f), [=](auto& c) { c.nsid = nsid; });
    };
    const auto set = [](fid f, std::uint32_t value, std::uint32_t nsid) {
        return with(nvme::make_set_features(f, value), [=](auto& c) { c.nsid = nsid; });
    };
    row_adder getter(to, "Get Features", queue::admin), setter(to, "Set Features", queue::admin);
    for (const auto& [f, name] :
         {std::pair{fid::reservation_notification_mask, "FID 82h: Reservation Notification Mask"},
          std::pair{fid::reservation_persistence, "FID 83h: Reservation Persistence"}}) {
        const std::string is = std::string(name) + ", ";
        getter.works(is + "NSID 1", get(f, 1));
        getter.fails(is + "NSID FFFFFFFFh", get(f, ~0u), invalid_namespace, at_nsid);
        setter.works(is + "NSID 1", set(f, 0, 1));
        setter.works(is + "NSID FFFFFFFFh: all namespaces", set(f, 0, ~0u));
        setter.fails(is + "NSID that is not active", set(f, 0, t.max_nsid), invalid_namespace, at_nsid);
        setter.fails(is + "a reserved bit", set(f, 1u << 4, 1), invalid_field, at_cdw11);
    }
}

}  // namespace

void add_reservation_rows(std::vector<row>& to, const target_info& t) {
    if (!(t.oncs & nvme::oncs_reservations)) {
        row_adder add(to, "Reservation Register", queue::io);
        add.fails("to a namespace without reservations", reservation(io_opcode::reservation_register, 0),
                  invalid_opcode, 0, 0, keys(0, 1))
            .note = "RESCAP says so";
        return;
    }
    add_register_rows(to, t);
    add_acquire_rows(to, t);
    add_report_rows(to, t);
    add_release_rows(to);
    add_namespace_feature_rows(to, t);
}

}  // namespace causeway::conformance
