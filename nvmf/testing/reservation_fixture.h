// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reservation commands of the hosts of target_fixture, each on the host's first I/O queue. Statuses come without More.

#include "nvme/reservation.h"
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {

inline const std::string host_c = "nqn.2014-08.org.nvmexpress:uuid:33333333-3333-3333-3333-333333333333";

inline nvme::command reservation_command(nvme::io_opcode opcode, unsigned action,
                                         nvme::reservation_type type = nvme::reservation_type::none,
                                         std::uint32_t nsid = 1) {
    nvme::command c = command(nvme::to_underlying(opcode), nsid);
    c.cdw10 = action | std::uint32_t{nvme::to_underlying(type)} << 8;
    return c;
}

inline status register_key(const host& h, std::uint64_t key) {
    return h.queues[0]
        ->call(reservation_command(nvme::io_opcode::reservation_register, 0),
               raw(nvme::reservation_register_data{.crkey = 0, .nrkey = key}))
        .status()
        .with_more(false);
}

inline status acquire(const host& h, std::uint64_t key, nvme::reservation_type type) {
    return h.queues[0]
        ->call(reservation_command(nvme::io_opcode::reservation_acquire, 0, type),
               raw(nvme::reservation_acquire_data{.crkey = key, .prkey = 0}))
        .status()
        .with_more(false);
}

inline capsule& send_preempt(const host& h, std::uint64_t key, std::uint64_t other, nvme::reservation_type type,
                             bool and_abort) {
    return h.queues[0]->send(reservation_command(nvme::io_opcode::reservation_acquire, and_abort ? 2 : 1, type),
                             raw(nvme::reservation_acquire_data{.crkey = key, .prkey = other}));
}

inline status preempt(const host& h, std::uint64_t key, std::uint64_t other, nvme::reservation_type type) {
    capsule& c = send_preempt(h, key, other, type, false);
    EXPECT_TRUE(h.queues[0]->of.until([&] { return c.answered; }));
    return c.status().with_more(false);
}

inline status release(const host& h, std::uint64_t key, nvme::reservation_type type) {
    return h.queues[0]
        ->call(reservation_command(nvme::io_opcode::reservation_release, 0, type),
               raw(nvme::reservation_release_data{.crkey = key}))
        .status()
        .with_more(false);
}

inline status clear(const host& h, std::uint64_t key) {
    return h.queues[0]
        ->call(reservation_command(nvme::io_opcode::reservation_release, 1),
               raw(nvme::reservation_release_data{.crkey = key}))
        .status()
        .with_more(false);
}

inline capsule& report(const host& h, std::uint32_t room) {
    nvme::command c = command(nvme::to_underlying(nvme::io_opcode::reservation_report), 1);
    c.cdw10 = room / 4 - 1;
    c.cdw11 = 1u;
    return h.queues[0]->call_for(c, room);
}

}  // namespace causeway::nvmf::test
