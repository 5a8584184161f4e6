// SPDX-License-Identifier: Apache-2.0
// More of something than was agreed.

#include "tests/hostile/cases.h"

#include <fmt/format.h>
#include <thread>

namespace causeway::hostile {

namespace {

std::string overrun(const endpoint& at, bool writes) {
    session s = open_session(at, 8);
    const std::uint32_t blocks = std::max(1u, 16384 / s.block_size);
    unsigned sent = 0;
    for (; sent < 512; ++sent) {
        const auto cid = static_cast<std::uint16_t>(sent);
        const auto c = writes ? write_blocks(at, cid, 0, blocks) : read_blocks(at, cid, 0, blocks);
        if (!s.io->send(keyed(c, *s.io, blocks * s.block_size)))
            break;
    }
    const bool closed = s.io->closes_within(writes ? 20s : 5s);
    const std::uint32_t answered = s.io->responses();
    if (!closed && answered < sent)
        throw unexpected(fmt::format("{} of {} answered, and the connection is kept", answered, sent));
    session next = open_session(at);
    must_still_serve(next);
    return closed ? fmt::format("closed after {} responses, and the next host is served", answered)
                  : fmt::format("the target was faster: all {} answered", sent);
}

std::string overrun_writes(const endpoint& at) {
    return overrun(at, true);
}

std::string overrun_reads(const endpoint& at) {
    return overrun(at, false);
}

std::string events(const endpoint& at) {
    session s = open_session(at);
    for (std::uint16_t i = 0; i < 24; ++i) {
        nvme::command c = identify_controller(*s.admin, static_cast<std::uint16_t>(0x100 + i));
        c.opcode = nvme::to_underlying(nvme::admin_opcode::async_event_request);
        c.sgl = {};
        c.sgl.identifier = 0x40;
        s.admin->send(c);
    }
    unsigned refused = 0;
    while (refused < 8) {
        const auto c = s.admin->receive();
        if (!c)
            throw unexpected("closed");
        must_be(*c, {nvme::sc::async_event_limit_exceeded});
        ++refused;
    }
    must_still_serve(s);
    return "those beyond the limit are refused";
}

/// A host that posts no receive for the responses: the target's SENDs wait, and must not delay other hosts.
std::string never_receives(const endpoint& at) {
    session s = open_session(at);
    auto deaf = open_io(s, 2, 32, 1);
    // Its one receive was used by Connect's response and posted again: one response arrives, the others do not.
    for (std::uint16_t i = 0; i < 31; ++i)
        deaf->send(keyed(read_blocks(at, i, 0, 1), *deaf, s.block_size));
    const auto end = std::chrono::steady_clock::now() + 2s;
    unsigned served = 0;
    while (std::chrono::steady_clock::now() < end) {
        must_still_serve(s);
        ++served;
    }
    session other = open_session(at);
    must_still_serve(other);
    deaf->vanish();
    must_still_serve(s);
    return fmt::format("meanwhile {} commands of others were served", served);
}

/// Connections until there is no room. All must be released.
std::string all_room(const endpoint& at) {
    std::vector<std::unique_ptr<raw_connection>> held;
    std::uint16_t status = 0;
    const auto begin = std::chrono::steady_clock::now();
    // Not longer than a target may keep a connection without Connect.
    while (held.size() < 100 && std::chrono::steady_clock::now() - begin < 10s) {
        auto opened = raw_connection::open(at, {.qid = 1, .hrqsize = 128, .hsqsize = 127, .receives = 1});
        if (auto* s = std::get_if<std::uint16_t>(&opened)) {
            status = *s;
            break;
        }
        held.push_back(std::move(std::get<0>(opened)));
    }
    const std::size_t most = held.size();
    if (status != 0 && status != nvme::to_underlying(nvme::rdma_cm_status::no_resources))
        throw unexpected(fmt::format("after {} connections rejected with status {}", most, status));
    held.clear();
    const auto end = std::chrono::steady_clock::now() + at.patience;
    for (;;) {
        try {
            session s = open_session(at, 128);
            must_still_serve(s);
            break;
        } catch (const unexpected&) {
            if (std::chrono::steady_clock::now() > end)
                throw;
            std::this_thread::sleep_for(100ms);
        }
    }
    return fmt::format("{} connections{}; all came back", most, status ? ", then no resources" : "");
}

constexpr hostile_case cases[] = {
    {"overrun-writes", "512 writes at once on a queue of 8", overrun_writes},
    {"overrun-reads", "512 reads at once on a queue of 8", overrun_reads},
    {"event-requests", "24 async event requests", events},
    {"never-receives", "a host that takes no responses", never_receives},
    {"all-room", "connections until there is no room for one more", all_room},
};

}  // namespace

std::span<const hostile_case> flood_cases() {
    return cases;
}

}  // namespace causeway::hostile
