// SPDX-License-Identifier: Apache-2.0
// Ways to go.

#include "tests/hostile/cases.h"

#include <fmt/format.h>
#include <thread>

namespace causeway::hostile {

namespace {

void put_in_flight(session& s, unsigned count) {
    const std::uint32_t blocks = std::max(1u, 65536 / s.block_size);
    for (unsigned i = 0; i < count; ++i) {
        const auto cid = static_cast<std::uint16_t>(i);
        const auto c = i % 2 ? write_blocks(s.at, cid, 0, blocks) : read_blocks(s.at, cid, 0, blocks);
        s.io->send(keyed(c, *s.io, blocks * s.block_size));
    }
}

std::string disconnect_in_flight(const endpoint& at) {
    for (int i = 0; i < 20; ++i) {
        session s = open_session(at, 32);
        put_in_flight(s, 31);
        std::this_thread::sleep_for(milliseconds(i % 4));
        s.io->disconnect();
        if (i % 2)
            s.admin->disconnect();
    }
    session next = open_session(at);
    must_still_serve(next);
    return "20 times, and the next host is served";
}

std::string vanish_in_flight(const endpoint& at) {
    std::vector<session> dead;
    for (int i = 0; i < 4; ++i) {
        session s = open_session(at, 32);
        put_in_flight(s, 31);
        std::this_thread::sleep_for(milliseconds(i));
        s.io->vanish();
        s.admin->vanish();
        dead.push_back(std::move(s));
    }
    session next = open_session(at);
    must_still_serve(next);
    return "4 times, and the next host is served";
}

std::string admin_first(const endpoint& at) {
    session s = open_session(at);
    put_in_flight(s, 16);
    s.admin->disconnect();
    s.admin.reset();
    const bool closed = s.io->closes_within(10s);
    session next = open_session(at);
    must_still_serve(next);
    return closed ? "the I/O queue is closed with it" : "the I/O queue outlives it";
}

std::string quick(const endpoint& at) {
    for (int i = 0; i < 30; ++i) {
        auto q = must_open(at, {});
        if (i % 2)
            q->send(as_command(connect_command(*q, at, 0, 31, nvme::cntlid_dynamic)));
        if (i % 3)
            q->disconnect();
    }
    session next = open_session(at);
    must_still_serve(next);
    return "30 times, and the next host is served";
}

constexpr hostile_case cases[] = {
    {"disconnect-in-flight", "a disconnect with 31 commands in flight, 20 times", disconnect_in_flight},
    {"vanish-in-flight", "a host that dies with 31 commands in flight, 4 times", vanish_in_flight},
    {"admin-first", "the admin queue goes before the I/O queue", admin_first},
    {"quick", "connections that end as they begin, 30 times", quick},
};

}  // namespace

std::span<const hostile_case> leave_cases() {
    return cases;
}

}  // namespace causeway::hostile
