// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/fabrics.h"
#include "nvme/properties.h"
#include "nvme/status.h"
#include "tests/hostile/raw_connection.h"

#include <functional>

namespace causeway::hostile {

// Commands as a well-behaved host builds them. A case takes one and changes a field.

nvme::connect_data connect_data(const endpoint& at, std::uint16_t cntlid);
nvme::command property_set(std::uint16_t cid, nvme::property p, std::uint64_t value);
nvme::command property_get(std::uint16_t cid, nvme::property p);
nvme::command keyed(nvme::command c, const raw_connection& q, std::uint32_t length, std::uint32_t offset = 0);
/// A Connect, whose data is written to the start of the connection's memory.
nvme::connect_command connect_command(raw_connection& q, const endpoint& at, std::uint16_t qid, std::uint16_t sqsize,
                                      std::uint16_t cntlid);
nvme::command identify_controller(const raw_connection& q, std::uint16_t cid);
nvme::command identify_namespace(const raw_connection& q, std::uint16_t cid, std::uint32_t nsid);
nvme::command keep_alive(std::uint16_t cid);
nvme::command read_blocks(const endpoint& at, std::uint16_t cid, std::uint64_t lba, std::uint32_t blocks);
nvme::command write_blocks(const endpoint& at, std::uint16_t cid, std::uint64_t lba, std::uint32_t blocks);
nvme::command flush(const endpoint& at, std::uint16_t cid);

template <class Command>
nvme::command as_command(const Command& c) {
    static_assert(sizeof c == sizeof(nvme::command));
    return std::bit_cast<nvme::command>(c);
}

/// Connects or throws.
std::unique_ptr<raw_connection> must_open(const endpoint& at, const ask& what);
/// Sends and waits for the response to that command, or throws.
nvme::completion must_answer(raw_connection& q, std::span<const std::byte> capsule);
inline nvme::completion must_answer(raw_connection& q, const nvme::command& c) {
    return must_answer(q, std::as_bytes(std::span(&c, 1)));
}
/// The status must be one of these, apart from the retry bits.
void must_be(const nvme::completion& c, std::initializer_list<nvme::status> any_of);
inline void must_succeed(const nvme::completion& c) {
    must_be(c, {nvme::sc::success});
}

/// A host's connections to a controller: an enabled admin queue and perhaps one I/O queue.
struct session {
    endpoint at;
    std::unique_ptr<raw_connection> admin;
    std::unique_ptr<raw_connection> io;
    std::uint16_t cntlid = 0;
    std::uint32_t block_size = 512;
    std::uint64_t blocks = 0;
};

std::unique_ptr<raw_connection> open_admin(const endpoint& at, std::uint16_t& cntlid, ask what = {});
void enable(raw_connection& admin);
std::unique_ptr<raw_connection> open_io(const session& s, std::uint16_t qid, std::uint16_t depth,
                                        unsigned receives = 0);
session open_session(const endpoint& at, std::uint16_t depth = 32);

/// Checks that the queue still works: a command after a refused one is served.
void must_still_serve(session& s);

}  // namespace causeway::hostile
