// SPDX-License-Identifier: Apache-2.0
// Reservations, as one host alone can ask for them. NVM Express Base Specification 2.0, "Reservations".

#include "tests/conformance/row_makers.h"

#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/reservation.h"

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

constexpr std::uint32_t iekey = 1 << 3, write_exclusive = 1 << 8, exclusive_access = 2 << 8;

void add_register_rows(std::vector<row>& to, const target_info& t) {
    const auto with_action = [](std::uint32_t cdw10) { return reservation(io_opcode::reservation_register, cdw10); };
    row_adder add(to, "Reservation Register", queue::io);
    add.fails_without_location("Replace by a host that has not registered", with_action(2), conflict, keys(0, 1));
    add.fails_without_location("key 0", with_action(0), invalid_field, keys(0, 0));
    add.fails("RREGA 3: reserved", with_action(3), invalid_field, at_cdw10, 0, keys(0, 1));
    add.fails("CPTPL 01b: reserved", with_action(1u << 30), invalid_field, at_cdw10 + 3, 6, keys(0, 1));
    add.fails("NSID that is not active", reservation(io_opcode::reservation_register, 0, 16, t.max_nsid),
              invalid_namespace, at_nsid, 0, keys(0, 1));
    add.works("Register", with_action(0), keys(0, 1));
    add.works("Register, the same key again", with_action(0), keys(0, 1));
    add.fails_without_location("Register, another key", with_action(0), conflict, keys(0, 2));
    add.works("Replace", with_action(2), keys(1, 2));
    add.works("Replace with IEKEY", with_action(2 | iekey), keys(9, 1));
    add.fails_without_location("Unregister with another key", with_action(1), conflict, keys(9, 0));
}

void add_acquire_rows(std::vector<row>& to) {
    const auto with_action = [](std::uint32_t cdw10) { return reservation(io_opcode::reservation_acquire, cdw10); };
    row_adder add(to, "Reservation Acquire", queue::io);
    add.fails("RTYPE 0", with_action(0), invalid_field, at_cdw10 + 1, 0, keys(1, 0));
    add.fails("RTYPE 7: reserved", with_action(7u << 8), invalid_field, at_cdw10 + 1, 0, keys(1, 0));
    add.fails("IEKEY", with_action(write_exclusive | iekey), invalid_field, at_cdw10, 3, keys(1, 0));
    add.fails("RACQA 3: reserved", with_action(write_exclusive | 3), invalid_field, at_cdw10, 0, keys(1, 0));
    add.fails_without_location("another key", with_action(write_exclusive), conflict, keys(9, 0));
    add.works("Acquire", with_action(write_exclusive), keys(1, 0));
    add.works("Acquire what it holds", with_action(write_exclusive), keys(1, 0));
    add.fails_without_location("Acquire another type", with_action(exclusive_access), conflict, keys(1, 0));
    add.fails_without_location("Preempt, key 0", with_action(write_exclusive | 1), invalid_field, keys(1, 0));
    add.fails_without_location("Preempt, nobody's key", with_action(write_exclusive | 1), conflict, keys(1, 9));
    add.works("Preempt itself", with_action(exclusive_access | 1), keys(1, 1));
    add.works("Preempt and Abort itself", with_action(write_exclusive | 2), keys(1, 1));
}

void add_report_rows(std::vector<row>& to) {
    const nvme::command report =
        with(reservation(io_opcode::reservation_report, 31, 128), [](auto& c) { c.cdw11 = 1; });
    row_adder add(to, "Reservation Report", queue::io);
    add.works("EDS", report, bytes(128));
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
    add.fails("RRELA 2: reserved", with_action(write_exclusive | 2), invalid_field, at_cdw10, 0, key(1));
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
    add_acquire_rows(to);
    add_report_rows(to);
    add_release_rows(to);
    add_namespace_feature_rows(to, t);
}

}  // namespace causeway::conformance
