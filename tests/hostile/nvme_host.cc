// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/nvme_host.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <thread>

namespace causeway::hostile {

namespace {

constexpr std::uint8_t sgl_flags = 1 << 6;  // PSDT: SGL

nvme::command blank(std::uint8_t opcode, std::uint16_t cid, std::uint32_t nsid) {
    nvme::command c{};
    c.opcode = opcode;
    c.flags = sgl_flags;
    c.cid = cid;
    c.nsid = nsid;
    return c;
}

constexpr std::uint32_t cc_enabled = 0x00460001;  // EN, IOSQES 64, IOCQES 16

}  // namespace

nvme::connect_data connect_data(const endpoint& at, std::uint16_t cntlid) {
    nvme::connect_data d{};
    std::copy(at.host_id.begin(), at.host_id.end(), std::begin(d.hostid));
    d.cntlid = cntlid;
    std::strncpy(d.subnqn, at.nqn.c_str(), sizeof d.subnqn - 1);
    std::strncpy(d.hostnqn, at.host_nqn.c_str(), sizeof d.hostnqn - 1);
    return d;
}

nvme::command property_set(std::uint16_t cid, nvme::property which, std::uint64_t value) {
    nvme::property_set_command p{};
    p.opcode = nvme::fabrics_opcode;
    p.flags = sgl_flags;
    p.cid = cid;
    p.type = nvme::to_underlying(nvme::fctype::property_set);
    p.ofst = nvme::to_underlying(which);
    p.value = value;
    return as_command(p);
}

nvme::command property_get(std::uint16_t cid, nvme::property which) {
    nvme::property_get_command p{};
    p.opcode = nvme::fabrics_opcode;
    p.flags = sgl_flags;
    p.cid = cid;
    p.type = nvme::to_underlying(nvme::fctype::property_get);
    p.ofst = nvme::to_underlying(which);
    return as_command(p);
}

nvme::command keyed(nvme::command c, const raw_connection& q, std::uint32_t length, std::uint32_t offset) {
    c.sgl = nvme::sgl_descriptor::keyed_data_block(q.address() + offset, length, q.rkey());
    return c;
}

nvme::connect_command connect_command(raw_connection& q, const endpoint& at, std::uint16_t qid, std::uint16_t sqsize,
                                      std::uint16_t cntlid) {
    const nvme::connect_data d = connect_data(at, cntlid);
    std::memcpy(q.memory().data(), &d, sizeof d);
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = sgl_flags;
    c.cid = std::uint16_t{1};
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.sgl = nvme::sgl_descriptor::keyed_data_block(q.address(), sizeof d, q.rkey());
    c.qid = qid;
    c.sqsize = sqsize;
    c.kato = qid == 0 ? at.kato_ms : 0u;
    return c;
}

nvme::command identify_controller(const raw_connection& q, std::uint16_t cid) {
    nvme::command c = blank(nvme::to_underlying(nvme::admin_opcode::identify), cid, 0);
    c.cdw10 = 1u;
    return keyed(c, q, 4096);
}

nvme::command identify_namespace(const raw_connection& q, std::uint16_t cid, std::uint32_t nsid) {
    return keyed(blank(nvme::to_underlying(nvme::admin_opcode::identify), cid, nsid), q, 4096);
}

nvme::command keep_alive(std::uint16_t cid) {
    return blank(nvme::to_underlying(nvme::admin_opcode::keep_alive), cid, 0);
}

nvme::command read_blocks(const endpoint& at, std::uint16_t cid, std::uint64_t lba, std::uint32_t blocks) {
    nvme::command c = blank(nvme::to_underlying(nvme::io_opcode::read), cid, at.nsid);
    nvme::set_block_range(c, lba, blocks);
    return c;
}

nvme::command write_blocks(const endpoint& at, std::uint16_t cid, std::uint64_t lba, std::uint32_t blocks) {
    nvme::command c = blank(nvme::to_underlying(nvme::io_opcode::write), cid, at.nsid);
    nvme::set_block_range(c, lba, blocks);
    return c;
}

nvme::command flush(const endpoint& at, std::uint16_t cid) {
    return blank(nvme::to_underlying(nvme::io_opcode::flush), cid, at.nsid);
}

std::unique_ptr<raw_connection> must_open(const endpoint& at, const ask& what) {
    auto opened = raw_connection::open(at, what);
    if (auto* status = std::get_if<std::uint16_t>(&opened))
        throw unexpected(fmt::format("the connection request was rejected with status {}", *status));
    return std::move(std::get<0>(opened));
}

nvme::completion must_answer(raw_connection& q, std::span<const std::byte> capsule) {
    if (!q.send(capsule))
        throw unexpected("the connection is closed");
    const auto c = q.receive();
    if (!c)
        throw unexpected("the target closed the connection");
    nvme::command sent;
    std::memcpy(&sent, capsule.data(), sizeof sent);
    if (c->cid != sent.cid)
        throw unexpected(fmt::format("a response to command {:#x}, which was not sent", c->cid.value()));
    return *c;
}

void must_be(const nvme::completion& c, std::initializer_list<nvme::status> any_of) {
    for (const nvme::status s : any_of)
        if (c.status().is(s))
            return;
    std::string wanted;
    for (const nvme::status s : any_of)
        wanted += (wanted.empty() ? "" : " or ") + nvme::to_string(s);
    throw unexpected(fmt::format("answered with {}, not {}", nvme::to_string(c.status()), wanted));
}

std::unique_ptr<raw_connection> open_admin(const endpoint& at, std::uint16_t& cntlid, ask what) {
    auto q = must_open(at, what);
    const auto c = must_answer(*q, as_command(connect_command(*q, at, 0, 31, nvme::cntlid_dynamic)));
    must_succeed(c);
    cntlid = static_cast<std::uint16_t>(c.dw0 & 0xffff);
    return q;
}

void enable(raw_connection& admin) {
    must_succeed(must_answer(admin, property_set(2, nvme::property::cc, cc_enabled)));
    for (int i = 0; i < 200; ++i) {
        const auto csts = must_answer(admin, property_get(3, nvme::property::csts));
        must_succeed(csts);
        if (csts.dw0 & 1)
            return;
        std::this_thread::sleep_for(10ms);
    }
    throw unexpected("the controller does not become ready");
}

std::unique_ptr<raw_connection> open_io(const session& s, std::uint16_t qid, std::uint16_t depth, unsigned receives) {
    auto q = must_open(s.at, {.qid = qid,
                              .hrqsize = depth,
                              .hsqsize = static_cast<std::uint16_t>(depth - 1),
                              .cntlid = s.cntlid,
                              .receives = receives ? receives : depth + 8u});
    must_succeed(
        must_answer(*q, as_command(connect_command(*q, s.at, qid, static_cast<std::uint16_t>(depth - 1), s.cntlid))));
    return q;
}

session open_session(const endpoint& at, std::uint16_t depth) {
    session s;
    s.at = at;
    s.admin = open_admin(at, s.cntlid);
    enable(*s.admin);
    must_succeed(must_answer(*s.admin, identify_namespace(*s.admin, 4, at.nsid)));
    std::uint64_t size;
    std::memcpy(&size, s.admin->memory().data(), sizeof size);
    const auto flbas = std::to_integer<unsigned>(s.admin->memory()[26]) & 0xf;
    s.block_size = 1u << std::to_integer<unsigned>(s.admin->memory()[128 + 4 * flbas + 2]);
    s.blocks = size;
    s.io = open_io(s, 1, depth);
    return s;
}

void must_still_serve(session& s) {
    const auto c = keyed(read_blocks(s.at, 0x7777, 0, 1), *s.io, s.block_size);
    must_succeed(must_answer(*s.io, c));
}

}  // namespace causeway::hostile
