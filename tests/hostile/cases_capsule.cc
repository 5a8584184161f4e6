// SPDX-License-Identifier: Apache-2.0
// Capsules whose fields or lengths are wrong.

#include "tests/hostile/cases.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <random>

namespace causeway::hostile {

namespace {

namespace sc = nvme::sc;

std::string must_close_on(const endpoint& at, std::size_t bytes) {
    session s = open_session(at);
    const auto c = flush(at, 3);
    std::vector<std::byte> capsule(bytes);
    std::copy_n(std::as_bytes(std::span(&c, 1)).begin(), std::min(bytes, sizeof c), capsule.begin());
    s.io->send(capsule);
    s.io->expect_closed();
    session next = open_session(at);
    must_still_serve(next);
    return "closed, and the next host is served";
}

std::string empty_capsule(const endpoint& at) {
    return must_close_on(at, 0);
}

std::string truncated(const endpoint& at) {
    return must_close_on(at, 63);
}

std::string oversized(const endpoint& at) {
    return must_close_on(at, 64 + 12288);
}

std::string every_io_opcode(const endpoint& at) {
    session s = open_session(at);
    unsigned served = 0;
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        if (opcode == nvme::fabrics_opcode)
            continue;
        nvme::command c = keyed(read_blocks(at, static_cast<std::uint16_t>(opcode), 0, 1), *s.io, 8192);
        c.opcode = static_cast<std::uint8_t>(opcode);
        served += must_answer(*s.io, c).status().ok();
    }
    must_still_serve(s);
    return fmt::format("{} served, {} refused", served, 255 - served);
}

std::string every_admin_opcode(const endpoint& at) {
    session s = open_session(at);
    unsigned served = 0;
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        if (opcode == nvme::fabrics_opcode || opcode == nvme::to_underlying(nvme::admin_opcode::async_event_request))
            continue;
        nvme::command c = identify_controller(*s.admin, static_cast<std::uint16_t>(opcode));
        c.opcode = static_cast<std::uint8_t>(opcode);
        served += must_answer(*s.admin, c).status().ok();
    }
    must_still_serve(s);
    return fmt::format("{} served, {} refused", served, 254 - served);
}

std::string every_fctype(const endpoint& at) {
    session s = open_session(at);
    unsigned refused = 0;
    for (raw_connection* q : {s.admin.get(), s.io.get()}) {
        for (unsigned type = 0; type < 256; ++type) {
            if (type == nvme::to_underlying(nvme::fctype::disconnect))
                continue;
            nvme::command c = identify_controller(*q, static_cast<std::uint16_t>(type));
            c.opcode = nvme::fabrics_opcode;
            c.nsid = type;
            // Offset and attributes of a property are far out of range.
            c.cdw10 = c.cdw11 = 0xffffffffu;
            refused += !must_answer(*q, c).status().ok();
        }
    }
    must_still_serve(s);
    return fmt::format("{} of 510 refused", refused);
}

/// FUSE and PSDT. A first fused command is answered only when the next one comes.
std::string every_flags(const endpoint& at) {
    session s = open_session(at);
    for (unsigned flags = 0; flags < 256; ++flags) {
        nvme::command c = keyed(read_blocks(at, static_cast<std::uint16_t>(flags), 0, 1), *s.io, s.block_size);
        c.flags = static_cast<std::uint8_t>(flags);
        s.io->send(c);
        s.io->send(flush(at, 0x4000));
        bool seen[2] = {};
        for (int i = 0; i < 2; ++i) {
            const auto answer = s.io->receive();
            if (!answer)
                throw unexpected(fmt::format("closed on flags {:#x}", flags));
            seen[answer->cid == 0x4000] = true;
        }
        if (!seen[0] || !seen[1])
            throw unexpected(fmt::format("one command answered twice, with flags {:#x}", flags));
    }
    must_still_serve(s);
    return "each answered once";
}

std::string every_nsid(const endpoint& at) {
    session s = open_session(at);
    for (const std::uint32_t nsid : {0u, 0xffffffffu, 0xfffffffeu, 0x7fffffffu, 12345u}) {
        nvme::command c = keyed(read_blocks(at, 6, 0, 1), *s.io, s.block_size);
        c.nsid = nsid;
        must_be(must_answer(*s.io, c), {sc::invalid_namespace_or_format, sc::invalid_field});
    }
    must_still_serve(s);
    return "Invalid Namespace or Format";
}

std::string lba_range(const endpoint& at) {
    session s = open_session(at);
    const std::pair<std::uint64_t, std::uint32_t> ranges[] = {
        {s.blocks, 1}, {s.blocks - 1, 2}, {~std::uint64_t{0}, 1}, {~std::uint64_t{0} - 1, 4}, {1ull << 63, 1}};
    for (const auto& [lba, blocks] : ranges) {
        must_be(must_answer(*s.io, keyed(read_blocks(at, 6, lba, blocks), *s.io, blocks * s.block_size)),
                {sc::lba_out_of_range});
        must_be(must_answer(*s.io, keyed(write_blocks(at, 6, lba, blocks), *s.io, blocks * s.block_size)),
                {sc::lba_out_of_range});
    }
    must_still_serve(s);
    return "LBA Out of Range";
}

/// Any answer will do, and the connection may end; a new host must be served afterwards.
std::string random_capsules(const endpoint& at, bool admin) {
    std::mt19937_64 random(admin ? 1 : 2);
    unsigned sent = 0, answered = 0, closed = 0;
    while (sent < 1500) {
        session s = open_session(at);
        raw_connection& q = admin ? *s.admin : *s.io;
        unsigned outstanding = 0;
        bool open = true;
        while (open && sent < 1500 && outstanding < 28) {
            std::array<std::byte, 64 + 512> capsule;
            for (std::byte& b : capsule)
                b = static_cast<std::byte>(random() >> 56);
            if (random() % 4 != 0)  // a known opcode gets further
                capsule[0] = static_cast<std::byte>(random() % 32);
            if (random() % 2 != 0)
                std::fill_n(capsule.begin() + 4, 4, std::byte{0}), capsule[4] = std::byte{1};
            if (random() % 2 != 0)
                capsule[39] = static_cast<std::byte>(std::array{0x40, 0x4f, 0x01, 0x31}[random() % 4]);
            open = q.send(std::span(capsule).first(random() % 2 ? 64 : capsule.size()));
            ++sent;
            ++outstanding;
            const std::uint32_t before = q.responses();
            open = open && !q.closes_within(2ms);
            outstanding -= std::min(outstanding, q.responses() - before);
            answered += q.responses() - before;
        }
        closed += !open;
    }
    session s = open_session(at);
    must_still_serve(s);
    return fmt::format("{} sent, {} answered, {} connections closed, then served", sent, answered, closed);
}

std::string random_io(const endpoint& at) {
    return random_capsules(at, false);
}

std::string random_admin(const endpoint& at) {
    return random_capsules(at, true);
}

constexpr hostile_case cases[] = {
    {"capsule-empty", "a capsule of no bytes", empty_capsule},
    {"capsule-truncated", "a capsule of 63 bytes", truncated},
    {"capsule-oversized", "a capsule longer than announced", oversized},
    {"opcodes-io", "each opcode on an I/O queue", every_io_opcode},
    {"opcodes-admin", "each opcode on the admin queue", every_admin_opcode},
    {"fctypes", "each fabrics command type, on both queues", every_fctype},
    {"flags", "each combination of FUSE and PSDT", every_flags},
    {"nsids", "namespaces that are not there", every_nsid},
    {"lba-range", "blocks beyond the end, and ranges that wrap around", lba_range},
    {"random-io", "1500 random capsules on I/O queues", random_io},
    {"random-admin", "1500 random capsules on admin queues", random_admin},
};

}  // namespace

std::span<const hostile_case> capsule_cases() {
    return cases;
}

}  // namespace causeway::hostile
