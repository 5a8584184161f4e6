// SPDX-License-Identifier: Apache-2.0
// Random reservation commands of three hosts, each of whose outcomes must be what the pure state machine says, and what
// every host may read and write afterwards, what it is reported and what it is notified of.

#include "core/random.h"
#include "nvmf/reservation/conflicts.h"
#include "nvmf/testing/reservation_fixture.h"

#include <array>
#include <map>

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;
using reservation::access;

class random_reservations : public testing::TestWithParam<std::uint64_t> {
  protected:
    nvmf_fixture w{GetParam()};
    core::random_source random{GetParam()};
    subsystem& s = w.make_subsystem();
    std::array<host, 3> hosts;
    reservation::state expected;
    std::map<std::size_t, std::vector<nvme::reservation_notice>> notified;  ///< by host

    void SetUp() override {
        w.make_memory("disk");
        w.add(s, "disk");
        const std::string names[] = {host_a, host_b, host_c};
        for (std::size_t i = 0; i < hosts.size(); ++i)
            hosts[i] = w.make_host(names[i], 2);
    }
    static reservation::host_id id_of(const host& h) {
        reservation::host_id id;
        id.fill(static_cast<std::uint8_t>(h.nqn.back()));
        return id;
    }
    std::uint64_t draw(std::uint64_t below) { return random.below(below); }
    /// Mostly the host's own.
    std::uint64_t draw_key(const reservation::host_id& host) {
        const reservation::registrant* r = expected.find(host);
        return r && draw(8) != 0 ? r->key : draw(4);
    }
    nvme::reservation_type draw_type() {
        return static_cast<nvme::reservation_type>(draw(20) == 0 ? draw(9) : 1 + draw(6));
    }

    reservation::transition register_step(const host& h, capsule*& sent) {
        const auto by = id_of(h);
        const reservation::register_command c{.action = static_cast<nvme::reservation_register_action>(draw(3)),
                                              .ignore_existing_key = draw(8) == 0,
                                              .crkey = draw_key(by),
                                              .nrkey = draw(4)};
        nvme::command command = reservation_command(io_opcode::reservation_register, nvme::to_underlying(c.action));
        command.cdw10 = command.cdw10 | (c.ignore_existing_key ? 8u : 0u);
        sent =
            &h.queues[draw(2)]->call(command, raw(nvme::reservation_register_data{.crkey = c.crkey, .nrkey = c.nrkey}));
        return reservation::apply(expected, by, c, false);
    }
    reservation::transition acquire_step(const host& h, capsule*& sent) {
        const auto by = id_of(h);
        const reservation::acquire_command c{.action = static_cast<nvme::reservation_acquire_action>(draw(3)),
                                             .type = draw_type(),
                                             .crkey = draw_key(by),
                                             .prkey = draw(4)};
        sent = &h.queues[draw(2)]->call(
            reservation_command(io_opcode::reservation_acquire, nvme::to_underlying(c.action), c.type),
            raw(nvme::reservation_acquire_data{.crkey = c.crkey, .prkey = c.prkey}));
        return reservation::apply(expected, by, c);
    }
    reservation::transition release_step(const host& h, capsule*& sent) {
        const auto by = id_of(h);
        const reservation::release_command c{.action = static_cast<nvme::reservation_release_action>(draw(12) == 0),
                                             .type = draw(4) ? expected.type : draw_type(),
                                             .crkey = draw_key(by)};
        sent = &h.queues[draw(2)]->call(
            reservation_command(io_opcode::reservation_release, nvme::to_underlying(c.action), c.type),
            raw(nvme::reservation_release_data{.crkey = c.crkey}));
        return reservation::apply(expected, by, c);
    }

    void step() {
        const host& h = hosts[draw(hosts.size())];
        capsule* sent = nullptr;
        const std::uint64_t kind = draw(5);
        const reservation::transition t = kind < 2   ? register_step(h, sent)
                                          : kind < 4 ? acquire_step(h, sent)
                                                     : release_step(h, sent);
        ASSERT_EQ(sent->status().with_more(false), t.result.status) << "of opcode " << int{sent->command.opcode};
        expected = t.next;
        for (const auto& n : t.notifications)
            for (std::size_t i = 0; i < hosts.size(); ++i)
                if (id_of(hosts[i]) == n.host)
                    notified[i].push_back(n.notice);
    }
    void check_access(const host& h) {
        for (const access a : {access::read, access::write}) {
            const auto op = a == access::read ? io_opcode::read : io_opcode::write;
            const status got = h.queues[draw(2)]->call(io(op, 1), bytes(512)).status().with_more(false);
            ASSERT_EQ(got, conflicts(expected, id_of(h), a) ? sc::reservation_conflict.with_dnr() : sc::success)
                << h.nqn;
        }
    }
    void check_report(const host& h) {
        const capsule& c = report(h, 64 + 3 * 64);
        const auto head = c.page<nvme::reservation_status_extended_header>();
        ASSERT_EQ(head.status.gen, expected.generation);
        ASSERT_EQ(head.status.rtype, nvme::to_underlying(expected.type));
        ASSERT_EQ(head.status.regctl, expected.registrants.size());
        for (std::size_t i = 0; i < expected.registrants.size(); ++i) {
            nvme::registered_controller_extended e;
            std::memcpy(&e, c.data.data() + 64 * (i + 1), sizeof e);
            ASSERT_EQ(e.rkey, expected.registrants[i].key);
            ASSERT_EQ(std::to_array(e.hostid), expected.registrants[i].host);
            ASSERT_EQ(e.rcsts, expected.is_holder(expected.registrants[i].host));
        }
    }
    void check_notifications() {
        for (std::size_t i = 0; i < hosts.size(); ++i) {
            for (const auto notice : std::exchange(notified[i], {}))
                ASSERT_EQ(next_page(i).type, nvme::to_underlying(notice));
            ASSERT_EQ(next_page(i).count, 0u);
        }
    }
    nvme::reservation_notification_log next_page(std::size_t i) {
        return hosts[i]
            .admin->call_for(get_log_page(nvme::lid::reservation_notification, 64), 64)
            .page<nvme::reservation_notification_log>();
    }
};

TEST_P(random_reservations, are_what_the_state_machine_says) {
    for (unsigned i = 0; i < 2'500 && !HasFatalFailure(); ++i) {
        SCOPED_TRACE("step " + std::to_string(i));
        step();
        if (!HasFatalFailure())
            check_access(hosts[draw(hosts.size())]);
        if (i % 16 == 0 && !HasFatalFailure()) {
            check_report(hosts[draw(hosts.size())]);
            check_notifications();
            for (const auto& c : w.connections)  // what has been answered
                c->capsules.clear();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(seeds, random_reservations, testing::Range<std::uint64_t>(1, 5));

}  // namespace
}  // namespace causeway::nvmf::test
