// SPDX-License-Identifier: Apache-2.0
// Reservations as hosts see them: commands, conflicts on the data path, reports, notifications.

#include "nvme/reservation.h"

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/testing/reservation_fixture.h"

#include <set>

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;
using nvme::reservation_notice;
using nvme::reservation_type;

const status conflict = sc::reservation_conflict.with_dnr();

constexpr auto we = reservation_type::write_exclusive;
constexpr auto ea = reservation_type::exclusive_access;
constexpr auto we_ro = reservation_type::write_exclusive_registrants_only;
constexpr auto ea_ro = reservation_type::exclusive_access_registrants_only;
constexpr auto we_ar = reservation_type::write_exclusive_all_registrants;
constexpr auto ea_ar = reservation_type::exclusive_access_all_registrants;

/// Three hosts of one namespace: `holder` and `registrant` have registered keys 1 and 2, `other` has not.
class reservations : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::fault_device> disk = w.make_faulty("disk");
    host holder, registrant, other;

    void SetUp() override {
        w.add(s, "disk");
        holder = w.make_host(host_a, 2);
        registrant = w.make_host(host_b, 2);
        other = w.make_host(host_c, 2);
        EXPECT_EQ(register_key(holder, 1), sc::success);
        EXPECT_EQ(register_key(registrant, 2), sc::success);
    }
    void reserve(reservation_type type) { EXPECT_EQ(acquire(holder, 1, type), sc::success); }
};

// ---- Conflicts.

nvme::command deallocate() {
    nvme::command c = io(io_opcode::dataset_management, 1);
    c.cdw10 = 0u;
    c.cdw11 = 4u;
    return c;
}

struct io_row {
    const char* name;
    nvme::command command;
    bytes data;
    bool writes;
};

std::vector<io_row> io_rows() {
    return {
        {"read", io(io_opcode::read, 1), bytes(512), false},
        {"compare", io(io_opcode::compare, 1), bytes(512), false},
        {"verify", io(io_opcode::verify, 1), {}, false},
        {"write", io(io_opcode::write, 1), bytes(512), true},
        {"write_zeroes", io(io_opcode::write_zeroes, 1), {}, true},
        {"flush", io(io_opcode::flush, 1), {}, true},
        {"flush of all namespaces", io(io_opcode::flush, nvme::broadcast_nsid), {}, true},
        {"dsm", deallocate(), raw(nvme::dsm_range{.nlb = 1, .slba = 0}), true},
        {"copy", io(io_opcode::copy, 1, 8), raw(nvme::copy_range{}), true},
    };
}

TEST_F(reservations, conflict_with_the_commands_of_each_group) {
    struct {
        reservation_type type;
        bool registrant_reads, registrant_writes, other_reads, other_writes;
    } const rows[] = {
        {we, true, false, true, false},    {ea, false, false, false, false}, {we_ro, true, true, true, false},
        {ea_ro, true, true, false, false}, {we_ar, true, true, true, false}, {ea_ar, true, true, false, false},
    };
    for (const auto& row : rows) {
        reserve(row.type);
        for (const io_row& i : io_rows()) {
            SCOPED_TRACE(std::string(i.name) + " with type " + std::to_string(nvme::to_underlying(row.type)));
            const auto expect = [&](const host& h, bool allowed) {
                const status got = h.queues[1]->call(i.command, i.data).status().with_more(false);
                EXPECT_EQ(got, allowed ? status(sc::success) : conflict) << h.nqn;
            };
            expect(holder, true);
            expect(registrant, i.writes ? row.registrant_writes : row.registrant_reads);
            expect(other, i.writes ? row.other_writes : row.other_reads);
        }
        EXPECT_EQ(release(holder, 1, row.type), sc::success);
        EXPECT_EQ(other.queues[0]->call(io(io_opcode::write, 1), bytes(512)).status(), sc::success);
    }
}

TEST_F(reservations, name_every_io_command_that_is_served) {
    std::set<std::string_view> named;
    for (const io_row& i : io_rows())
        named.insert(i.name);
    for (const io_command& c : io_commands)
        EXPECT_TRUE(c.name.empty() || c.of_reservations || named.contains(c.name)) << c.name;
}

TEST_F(reservations, concern_no_admin_command_that_is_served) {
    // Those of the table "Command Behavior in the Presence of a Reservation".
    for (const std::uint8_t opcode :
         {0x0d /* Namespace Management */, 0x15 /* Namespace Attachment */, 0x20 /* Capacity Management */,
          0x80 /* Format NVM */, 0x81 /* Security Send */, 0x82 /* Security Receive */, 0x84 /* Sanitize */})
        EXPECT_TRUE(admin_commands[opcode].name.empty()) << "opcode " << int{opcode};
}

TEST_F(reservations, fail_both_halves_of_a_compare_and_write) {
    reserve(we);
    capsule& compare = other.queues[0]->send(fused(io(io_opcode::compare, 1), nvme::fuse::first), bytes(512));
    capsule& write = other.queues[0]->call(fused(io(io_opcode::write, 1), nvme::fuse::second), bytes(512));
    EXPECT_TRUE(w.until([&] { return compare.answered; }));
    EXPECT_TRUE(compare.status().is(sc::aborted_failed_fused));
    EXPECT_EQ(write.status().with_more(false), conflict);
}

TEST_F(reservations, are_enforced_where_a_command_is_executed) {
    connection& q = *other.queues[0];
    q.hold = true;
    capsule& write = q.send(io(io_opcode::write, 1), bytes(512));
    capsule& read = q.send(io(io_opcode::read, 1), bytes(512));
    ASSERT_TRUE(w.until([&] { return write.held && read.held; }));
    reserve(we);
    q.execute_held(write);
    q.execute_held(read);
    ASSERT_TRUE(w.until([&] { return write.answered && read.answered; }));
    EXPECT_EQ(write.status().with_more(false), conflict);
    EXPECT_EQ(read.status(), sc::success);
}

TEST_F(reservations, hold_for_all_controllers_of_a_host_and_for_those_to_come) {
    reserve(ea);
    EXPECT_EQ(w.make_host(host_a, 1).queues[0]->call(io(io_opcode::write, 1), bytes(512)).status(), sc::success);
    EXPECT_EQ(w.make_host(host_c, 1).queues[0]->call(io(io_opcode::read, 1), bytes(512)).status().with_more(false),
              conflict);
}

TEST_F(reservations, concern_their_namespace_alone) {
    w.make_memory("second");
    w.add(s, "second", 2);
    reserve(ea);
    EXPECT_EQ(other.queues[0]->call(io(io_opcode::write, 2), bytes(512)).status(), sc::success);
}

TEST_F(reservations, end_with_a_namespace_whose_reservation_does_not_persist) {
    reserve(ea);
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    w.add(s, "disk", 1);
    EXPECT_EQ(other.queues[0]->call(io(io_opcode::write, 1), bytes(512)).status(), sc::success);
    EXPECT_EQ(acquire(holder, 1, ea), conflict) << "it is no registrant any more";
}

// ---- The commands.

TEST_F(reservations, are_reported) {
    reserve(we_ro);
    const capsule& c = report(other, 64 + 2 * 64);
    EXPECT_EQ(c.status(), sc::success);
    const auto head = c.page<nvme::reservation_status_extended_header>();
    EXPECT_EQ(head.status.gen, 2u);
    EXPECT_EQ(head.status.rtype, 3);
    EXPECT_EQ(head.status.regctl, 2);
    EXPECT_EQ(head.status.ptpls, 0);
    nvme::registered_controller_extended first, second;
    std::memcpy(&first, c.data.data() + 64, 64);
    std::memcpy(&second, c.data.data() + 128, 64);
    EXPECT_EQ(first.cntlid, 0xffff);
    EXPECT_EQ(first.rcsts, 1);
    EXPECT_EQ(first.rkey, 1u);
    EXPECT_EQ(first.hostid[0], host_a.back());
    EXPECT_EQ(second.rcsts, 0);
    EXPECT_EQ(second.rkey, 2u);
    EXPECT_EQ(second.hostid[15], host_b.back());
}

TEST_F(reservations, are_reported_as_far_as_there_is_room) {
    EXPECT_EQ(report(other, 4).status(), sc::success);
    const capsule& c = report(other, 4096);
    EXPECT_EQ(c.status(), sc::success);
    EXPECT_EQ(c.data[64 + 2 * 64], std::byte{0});
    EXPECT_EQ(report(other, 256 * 1024).status().with_more(false), sc::invalid_field.with_dnr());
}

TEST_F(reservations, are_not_reported_with_host_identifiers_of_64_bits) {
    nvme::command c = command(0x0e, 1);
    c.cdw10 = 15u;
    EXPECT_EQ(other.queues[0]->call_for(c, 64).status().with_more(false), sc::host_id_inconsistent.with_dnr());
}

TEST_F(reservations, refuse_a_host_without_an_identifier) {
    connection& admin = w.connect_to(0);
    auto data = connect_data(subsystem_nqn, host_c);
    std::fill(std::begin(data.hostid), std::end(data.hostid), 0);
    host h{.nqn = host_c, .admin = &admin};
    data.cntlid = h.cntlid = static_cast<std::uint16_t>(admin.call(connect(0), raw(data)).dw0());
    w.enable(h);
    h.queues.push_back(&w.connect_to(1));
    EXPECT_EQ(h.queues[0]->call(connect(1, 127), raw(data)).status(), sc::success);
    EXPECT_EQ(register_key(h, 1), sc::command_sequence_error.with_dnr());
}

TEST_F(reservations, say_what_is_wrong_with_a_command) {
    EXPECT_EQ(acquire(holder, 1, reservation_type::none), sc::invalid_field.with_dnr());
    EXPECT_EQ(acquire(other, 1, we), conflict);
    EXPECT_EQ(acquire(holder, 2, we), conflict);
    EXPECT_EQ(register_key(holder, 9), conflict);
    EXPECT_EQ(preempt(registrant, 2, 9, we), conflict);
    nvme::command c = command(0x0d, 9);
    EXPECT_TRUE(holder.queues[0]->call(c, bytes(16)).status().is(sc::invalid_namespace_or_format));
}

TEST_F(reservations, are_not_changed_by_what_came_before_a_stall) {
    connection& q = *holder.queues[0];
    q.home.record_stall(std::chrono::seconds(12));
    EXPECT_EQ(acquire(holder, 1, we), sc::command_interrupted);
    q.qpair->stall_epoch = q.home.stalls();
    EXPECT_EQ(acquire(holder, 1, we), sc::success);
}

// ---- Preempt and Abort.

class preemption : public reservations {
  protected:
    /// A write of `h` that hangs in the disk.
    capsule& hang(const host& h) {
        disk->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
        const auto hung = disk->hung();
        capsule& c = h.queues[1]->send(io(io_opcode::write, 1), bytes(512));
        EXPECT_TRUE(w.until([&] { return disk->hung() > hung; }));
        return c;
    }
};

TEST_F(preemption, waits_for_no_command_in_flight_without_abort) {
    reserve(we_ro);
    capsule& write = hang(holder);
    EXPECT_EQ(preempt(registrant, 2, 1, we), sc::success);
    EXPECT_FALSE(write.answered);
    w.run(disk->release_hung());
}

TEST_F(preemption, with_abort_is_answered_after_the_commands_of_the_victim_have_ended) {
    reserve(we_ro);
    capsule& write = hang(holder);
    capsule& asked = send_preempt(registrant, 2, 1, we, true);
    w.pass(std::chrono::seconds(1));
    EXPECT_FALSE(asked.answered) << "the victim's write may still land";
    EXPECT_EQ(holder.queues[1]->call(io(io_opcode::write, 1), bytes(512)).status().with_more(false), conflict)
        << "it writes no more";
    EXPECT_EQ(registrant.queues[1]->call(io(io_opcode::write, 1), bytes(512)).status(), sc::success)
        << "others go on meanwhile";
    w.run(disk->release_hung());
    ASSERT_TRUE(w.until([&] { return asked.answered; }));
    EXPECT_TRUE(write.answered);
    EXPECT_EQ(asked.status(), sc::success);
}

TEST_F(preemption, with_abort_waits_for_no_command_that_came_later) {
    reserve(we_ro);
    disk->add_rule({.what = bdev::fault_rule::kind::delay, .times = 1, .delay = std::chrono::seconds(5)});
    capsule& write = holder.queues[1]->send(io(io_opcode::write, 1), bytes(512));
    w.pass(std::chrono::milliseconds(10));
    capsule& asked = send_preempt(registrant, 2, 1, we, true);
    w.pass(std::chrono::seconds(1));
    EXPECT_FALSE(asked.answered);
    capsule& later = hang(registrant);
    ASSERT_TRUE(w.until([&] { return asked.answered; }));
    EXPECT_TRUE(write.answered);
    EXPECT_FALSE(later.answered);
    w.run(disk->release_hung());
}

TEST_F(preemption, with_abort_gives_up_when_the_disk_hangs) {
    reserve(we_ro);
    hang(holder);
    capsule& asked = send_preempt(registrant, 2, 1, we, true);
    w.pass(std::chrono::seconds(11));
    ASSERT_TRUE(asked.answered);
    EXPECT_TRUE(asked.status().is(sc::command_interrupted));
    EXPECT_FALSE(asked.status().dnr());
    w.run(disk->release_hung());
}

TEST_F(preemption, with_abort_ends_when_its_namespace_is_removed) {
    reserve(we_ro);
    capsule& write = hang(holder);
    capsule& asked = send_preempt(registrant, 2, 1, we, true);
    w.pass(std::chrono::milliseconds(1));
    EXPECT_TRUE(w.run(s.namespaces().remove(1))) << "in a second";
    EXPECT_NE(disk->claimed_by(), nullptr) << "its I/O has not ended";
    w.run(disk->release_hung());
    ASSERT_TRUE(w.until([&] { return asked.answered && write.answered && !disk->claimed_by(); }));
}

TEST_F(preemption, with_abort_may_be_asked_for_by_a_host_that_leaves) {
    reserve(we_ro);
    capsule& write = hang(holder);
    send_preempt(registrant, 2, 1, we, true);
    w.pass(std::chrono::milliseconds(1));
    registrant.queues[0]->drop();
    registrant.admin->drop();
    w.pass(std::chrono::milliseconds(1));
    w.run(disk->release_hung());
    ASSERT_TRUE(w.until([&] { return write.answered && registrant.queues[0]->gone; }));
}

// ---- Notifications.

class reservation_notifications : public reservations {
  protected:
    std::vector<capsule*> events_;

    capsule& expect_event(const host& h) { return h.admin->send(admin(nvme::admin_opcode::async_event_request)); }
    nvme::reservation_notification_log page(const host& h) {
        return h.admin->call_for(get_log_page(nvme::lid::reservation_notification, 64), 64)
            .page<nvme::reservation_notification_log>();
    }
};

TEST_F(reservation_notifications, reach_the_hosts_that_lose_something) {
    reserve(we_ro);
    capsule& mine = expect_event(holder);
    capsule& event = expect_event(registrant);
    EXPECT_EQ(release(holder, 1, we_ro), sc::success);
    ASSERT_TRUE(w.until([&] { return event.answered; }));
    EXPECT_EQ(event.dw0(), 0x00800006u) << "I/O command set specific, Reservation Log Page Available, page 80h";
    EXPECT_FALSE(mine.answered) << "it was that host's own command";

    const auto log = page(registrant);
    EXPECT_EQ(log.count, 1u);
    EXPECT_EQ(log.type, nvme::to_underlying(reservation_notice::reservation_released));
    EXPECT_EQ(log.nalp, 0);
    EXPECT_EQ(log.nsid, 1u);
    EXPECT_EQ(page(registrant).count, 0u) << "there is no other page";
    EXPECT_EQ(page(holder).count, 0u);
}

TEST_F(reservation_notifications, are_read_one_by_one) {
    reserve(we_ro);
    capsule& event = expect_event(holder);
    EXPECT_EQ(preempt(registrant, 2, 1, we), sc::success);
    EXPECT_EQ(register_key(holder, 1), sc::success);
    EXPECT_EQ(clear(registrant, 2), sc::success);
    ASSERT_TRUE(w.until([&] { return event.answered; }));

    auto first = holder.admin->call_for(get_log_page(nvme::lid::reservation_notification, 64, 0, true), 64)
                     .page<nvme::reservation_notification_log>();
    EXPECT_EQ(first.count, 1u);
    EXPECT_EQ(first.nalp, 1) << "one more";
    EXPECT_EQ(page(holder).count, 1u) << "RAE retains it";
    const auto second = page(holder);
    EXPECT_EQ(second.count, 2u);
    EXPECT_EQ(second.type, nvme::to_underlying(reservation_notice::reservation_preempted));
    EXPECT_EQ(second.nalp, 0);
}

TEST_F(reservation_notifications, are_masked_by_host_and_namespace) {
    const auto released = nvme::reservation_mask_reservation_released;
    const host again = w.make_host(host_b, 1);
    const auto set = [&](const host& h, std::uint32_t value, std::uint32_t nsid) {
        return h.admin->call(set_features(nvme::fid::reservation_notification_mask, value, nsid))
            .status()
            .with_more(false);
    };
    const auto get = [&](const host& h, std::uint32_t nsid) {
        nvme::command c = get_features(nvme::fid::reservation_notification_mask);
        c.nsid = nsid;
        return h.admin->call(c).dw0();
    };
    EXPECT_EQ(set(registrant, released, 1), sc::success);
    EXPECT_EQ(get(registrant, 1), released);
    EXPECT_EQ(get(again, 1), released) << "a host's controllers have one mask";
    EXPECT_EQ(get(holder, 1), 0u) << "another host has another";

    reserve(we_ro);
    EXPECT_EQ(release(holder, 1, we_ro), sc::success);
    EXPECT_EQ(page(registrant).count, 0u);
    EXPECT_EQ(page(again).count, 0u);

    EXPECT_EQ(set(registrant, 0, nvme::broadcast_nsid), sc::success);
    EXPECT_EQ(get(registrant, 1), 0u);
    reserve(we_ro);
    EXPECT_EQ(release(holder, 1, we_ro), sc::success);
    EXPECT_EQ(page(registrant).count, 1u);
    EXPECT_EQ(page(again).count, 1u) << "each controller has a log of its own";

    EXPECT_EQ(set(registrant, 1, 1), sc::invalid_field.with_dnr()) << "a reserved bit";
    EXPECT_TRUE(set(registrant, 0, 0).is(sc::invalid_namespace_or_format));
    EXPECT_TRUE(set(registrant, 0, 9).is(sc::invalid_namespace_or_format));
}

TEST_F(reservation_notifications, end_with_a_reset) {
    reserve(we_ro);
    EXPECT_EQ(release(holder, 1, we_ro), sc::success);
    registrant.admin->call(property_set(nvme::property::cc, 0));
    w.enable(registrant);
    EXPECT_EQ(page(registrant).count, 0u);
}

TEST(reservation_notices, lose_the_oldest_page_where_there_is_no_room) {
    reservation_notices n;
    for (unsigned i = 0; i < 300; ++i)
        EXPECT_TRUE(n.add(7, 1, reservation_notice::registration_preempted));
    EXPECT_EQ(n.page().count, 46u) << "the host sees that 45 are missing";
    EXPECT_EQ(n.page().nalp, 254);
    for (unsigned i = 0; i < 255; ++i)
        n.pop();
    EXPECT_EQ(n.page().count, 0u);
    n.pop();
}

TEST(reservation_notices, a_mask_is_not_another_namespaces_under_the_same_nsid) {
    reservation_notices n;
    n.set_mask(7, 1, nvme::reservation_mask_registration_preempted);
    EXPECT_FALSE(n.add(7, 1, reservation_notice::registration_preempted));
    EXPECT_TRUE(n.add(7, 2, reservation_notice::registration_preempted));
}

// ---- What is offered.

TEST_F(reservations, show_in_identify_and_in_the_effects_log) {
    const auto id = holder.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
    EXPECT_TRUE(id.oncs & nvme::oncs_reservations);
    EXPECT_TRUE(id.ctratt & nvme::ctratt_extended_host_id);
    EXPECT_EQ(holder.admin->call(identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().rescap, 0xfe)
        << "all but persistence";
    EXPECT_EQ(
        holder.admin->call(identify(nvme::cns::ns_independent, 1)).page<nvme::identify_namespace_independent>().rescap,
        0xfe);
    const auto effects = holder.admin->call_for(get_log_page(nvme::lid::commands_effects, 4096), 4096)
                             .page<nvme::commands_effects_log>();
    for (const std::uint8_t opcode : {0x0d, 0x0e, 0x11, 0x15})
        EXPECT_EQ(effects.io[opcode], nvme::effect_supported);
}

TEST_F(reservations, persist_only_where_they_can) {
    const auto set = [&](std::uint32_t value) {
        return holder.admin->call(set_features(nvme::fid::reservation_persistence, value, 1)).status().with_more(false);
    };
    EXPECT_EQ(set(0), sc::success);
    EXPECT_EQ(set(1), sc::invalid_field.with_dnr());
    nvme::command c = command(0x0d, 1);
    c.cdw10 = 3u << 30;
    EXPECT_TRUE(other.queues[0]
                    ->call(c, raw(nvme::reservation_register_data{.crkey = 0, .nrkey = 5}))
                    .status()
                    .is(sc::invalid_field));
}

/// Namespaces of which some have no reservations.
TEST(namespaces_without_reservations, say_so) {
    target_options options;
    options.reservation_stores = [](core::reactor_group& g, const bdev::device& d, const std::string& file) {
        return d.name() == "image" ? nullptr : reservation::make_local_store(g, d, file);
    };
    nvmf_fixture w(1, 3, options);
    subsystem& s = w.make_subsystem();
    w.make_memory("image");
    w.add(s, "image", 1);
    host h = w.make_host();
    const auto oncs = [&] {
        return h.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>().oncs &
               nvme::oncs_reservations;
    };
    EXPECT_FALSE(oncs());
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().rescap, 0);
    EXPECT_EQ(register_key(h, 1), sc::invalid_opcode.with_dnr());
    EXPECT_TRUE(report(h, 64).status().is(sc::invalid_opcode));
    EXPECT_TRUE(
        h.admin->call(set_features(nvme::fid::reservation_notification_mask, 0, 1)).status().is(sc::invalid_field));
    w.make_memory("local");
    w.add(s, "local", 2);
    EXPECT_TRUE(oncs());
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 1)).page<nvme::identify_namespace>().rescap, 0);
    EXPECT_EQ(h.admin->call(identify(nvme::cns::ns, 2)).page<nvme::identify_namespace>().rescap, 0xfe);
}

}  // namespace
}  // namespace causeway::nvmf::test
