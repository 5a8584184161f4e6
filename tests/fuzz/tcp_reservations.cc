// SPDX-License-Identifier: Apache-2.0
// Reservations over live TCP connections: the commands that scripts send, and what must have become of them after each
// input: a report that decodes, at most one holder, and what is reported is enforced.

#include "nvme/make_command.h"
#include "nvmf/reservation/conflicts.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/tcp_script.h"

namespace causeway::fuzz {

namespace {

using nvme::io_opcode;

constexpr std::uint64_t own_key = 0xfefefefefefefefe;  ///< which scripts have to be lucky to find

template <class T>
std::span<const std::byte> bytes_of(const T& t) {
    return std::as_bytes(std::span(&t, 1));
}

nvme::command with_data(io_opcode opcode, std::uint32_t nsid, std::size_t size) {
    nvme::command c = nvme::make_command(nvme::to_underlying(opcode), nsid);
    c.sgl = nvme::sgl_descriptor::data_block(0, static_cast<std::uint32_t>(size), nvme::sgl_subtype::offset);
    return c;
}

}  // namespace

/// One of the four, with its data: a first byte with what (bits 1:0), its action (4:2), IEKEY (5) and CPTPL (7:6), a
/// second one with the type (6:0) and the namespace (7), a third one with both keys.
void tcp_session::send_reservation_command(script& s) {
    constexpr io_opcode opcodes[] = {io_opcode::reservation_register, io_opcode::reservation_acquire,
                                     io_opcode::reservation_release, io_opcode::reservation_report};
    const unsigned what = s.byte(), type = s.byte(), keys = s.byte();
    const std::uint32_t of = nsid + (type >> 7);
    const io_opcode opcode = opcodes[what & 3];
    ++counts_.reservations;
    if (opcode == io_opcode::reservation_report)
        return current().send(make_reservation_report(of));
    const nvme::reservation_register_data data{.crkey = std::uint64_t{keys & 15}, .nrkey = std::uint64_t{keys >> 4}};
    const auto sent = bytes_of(data).first(opcode == io_opcode::reservation_release ? 8 : sizeof data);
    nvme::command c = with_data(opcode, of, sent.size());
    c.cdw10 = (what >> 2 & 7) | (what >> 5 & 1) << 3 | (type & 0x7f) << 8 | what >> 6 << 30;
    current().send(c, sent);
}

nvme::status tcp_session::run(nvme::command c, std::span<const std::byte> data) {
    const auto answer = io_->call(c, data);
    if (!answer)
        fail("a connection that no script has touched is closed");
    return answer->status().with_more(false);
}

reservation_report tcp_session::report(std::uint32_t of) {
    if (const nvme::status answer = run(make_reservation_report(of), {}); !answer.ok())
        fail("Reservation Report is answered with " + nvme::to_string(answer));
    return decode_report(io_->data());
}

void tcp_session::check_reservation(std::uint32_t of) {
    const reservation_report r = report(of);
    if (r.state.registrants.empty())
        return;
    check_enforced(of, r);
    clear_reservation(of, r);
}

/// The keeper's commands are refused if the report says so, and not otherwise.
void tcp_session::check_enforced(std::uint32_t of, const reservation_report& r) {
    const std::uint32_t size = of == nsid ? block_size : 8 * block_size;
    const std::uint64_t last_block = blocks * block_size / size - 1;
    const std::vector<std::byte> data(size, std::byte{0x33});
    nvme::command write = nvme::make_block_command(io_opcode::write, of, last_block, 1, size);
    write.sgl = nvme::sgl_descriptor::data_block(0, size, nvme::sgl_subtype::offset);
    const auto expected = [&](nvmf::reservation::access a) {
        return nvmf::reservation::conflicts(r.state, tcp_host::hostid_of(0), a)
                   ? nvme::sc::reservation_conflict.with_dnr()
                   : nvme::status();
    };
    must(run(write, data) == expected(nvmf::reservation::access::write));
    must(run(nvme::make_block_command(io_opcode::read, of, last_block, 1, size)) ==
         expected(nvmf::reservation::access::read));
}

/// By the keeper, which becomes a registrant whatever scripts have registered it with.
void tcp_session::clear_reservation(std::uint32_t of, const reservation_report& r) {
    const bool registered = r.state.find(tcp_host::hostid_of(0)) != nullptr;
    const nvme::reservation_register_data keys{.crkey = std::uint64_t{0}, .nrkey = own_key};
    nvme::command c = with_data(io_opcode::reservation_register, of, sizeof keys);
    c.cdw10 = 1u << 3 | nvme::to_underlying(registered ? nvme::reservation_register_action::replace_key
                                                       : nvme::reservation_register_action::register_key);
    must(run(c, bytes_of(keys)).ok());
    const nvme::reservation_release_data key{.crkey = own_key};
    c = with_data(io_opcode::reservation_release, of, sizeof key);
    c.cdw10 = nvme::to_underlying(nvme::reservation_release_action::clear);
    must(run(c, bytes_of(key)).ok());
    const reservation_report cleared = report(of);
    must(!cleared.state.is_held() && cleared.holders == 0 && cleared.state.registrants.empty());
    must(cleared.state.generation == r.state.generation + 2);
}

}  // namespace causeway::fuzz
