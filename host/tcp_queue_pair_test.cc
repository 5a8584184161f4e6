// SPDX-License-Identifier: Apache-2.0
#include "host/testing/scripted_peer.h"

namespace causeway::host::testing {
namespace {

using nvme::io_opcode;

std::uint16_t cid_in(const bytes& capsule) {
    return static_cast<std::uint16_t>(capsule.at(10) | capsule.at(11) << 8);
}

TEST(tcp_queue_pair, proposes_its_options_in_icreq) {
    scripted_peer p({.qid = 1, .depth = 4}, {.header_digest = true, .data_digest = true, .alignment = 3, .max_r2t = 2});
    EXPECT_EQ(p.heard(), padded({0x00, 0, 128, 0, 128, 0, 0, 0, 0, 0, 3, 3, 1, 0, 0, 0}, 128));
    EXPECT_FALSE(p.q->is_open());
    EXPECT_FALSE(p.greeted);
}

TEST(tcp_queue_pair, gives_up_on_a_controller_that_does_not_answer) {
    scripted_peer p({.qid = 1, .depth = 4}, {.timeout = std::chrono::seconds(3)});
    p.cores.turn_after(std::chrono::seconds(3));
    p.turns();
    ASSERT_TRUE(p.greeted && !*p.greeted);
    EXPECT_EQ(p.greeted->error().sentence, "it does not respond");
}

TEST(tcp_queue_pair, sends_a_command_as_the_specification_lays_it_out) {
    command c(io_opcode::read, 512);  // the queue pair ends it, so it must live longer
    scripted_peer p;
    p.greet();
    nvme::set_block_range(c.request::command, 7, 1);
    ASSERT_TRUE(p.submit(c));
    const bytes sent = p.heard();
    // Opcode, SGL, CID, NSID; at 24 of the entry the data pointer: transport data block, 512 bytes; SLBA and NLB.
    EXPECT_EQ(sent, (bytes{0x04, 0, 72, 0, 72, 0, 0, 0} + bytes{0x02, 0x40} + le(cid_in(sent), 2) + le(1, 4) +
                     bytes(16) + le(0, 8) + le(512, 4) + bytes{0, 0, 0, 0x5a} + le(7, 8) + le(0, 4) + bytes(12)));
}

TEST(tcp_queue_pair, receives_data_where_it_goes_however_it_is_cut) {
    bytes content(512);
    for (std::size_t i = 0; i < content.size(); ++i)
        content[i] = static_cast<std::uint8_t>(i * 7);
    for (std::size_t pieces : {1, 3}) {
        for (std::size_t size = 1; size <= 600; size += size < 80 ? 1 : 97) {
            scripted_peer p;
            p.greet();
            command a(io_opcode::read, 512, pieces), b(io_opcode::read, 512, pieces);
            p.submit(a);
            const auto cid_a = cid_in(p.heard());
            p.submit(b);
            const auto cid_b = cid_in(p.heard());
            const bytes front(content.begin(), content.begin() + 200), back(content.begin() + 200, content.end());
            // One with an answer of its own, its data in two parts with the other's between them.
            const bytes stream = c2h_header(cid_a, 0, 200, 0) + front + c2h_header(cid_b, 0, 512, success) + content +
                                 c2h_header(cid_a, 200, 312, last) + back + capsule_resp(cid_a);
            for (std::size_t at = 0; at < stream.size(); at += size) {
                EXPECT_EQ(a.times_done, 0u);
                p.say(bytes(stream.begin() + static_cast<long>(at),
                            stream.begin() + static_cast<long>(std::min(at + size, stream.size()))));
            }
            ASSERT_EQ(a.times_done, 1u) << "in pieces of " << size << ": " << p.q->trouble();
            ASSERT_EQ(b.times_done, 1u);
            EXPECT_TRUE(a.status().ok() && b.status().ok());
            EXPECT_EQ(a.completion.result64(), 0x1122334455667788u);
            EXPECT_EQ(b.completion.result64(), 0u);
            EXPECT_EQ(a.memory, content);
            EXPECT_EQ(b.memory, content);
            EXPECT_TRUE(p.q->is_open());
        }
    }
}

TEST(tcp_queue_pair, sends_small_data_with_its_command) {
    scripted_peer p;
    p.greet(ic_resp(4));  // at multiples of 20 bytes: 80
    command c(io_opcode::write, 6, 2);
    c.memory = {1, 2, 3, 4, 5, 6};
    p.submit(c);
    const bytes sent = p.heard();
    EXPECT_EQ(sent,
              (bytes{0x04, 0, 72, 80, 86, 0, 0, 0} + bytes{0x01, 0x40} + le(cid_in(sent), 2) + le(1, 4) + bytes(16) +
               le(0, 8) + le(6, 4) + bytes{0, 0, 0, 0x01} + bytes(24) + bytes(8) + bytes{1, 2, 3, 4, 5, 6}));
    p.say(capsule_resp(cid_in(sent)));
    EXPECT_EQ(c.times_done, 1u);
    EXPECT_TRUE(c.status().ok());
}

TEST(tcp_queue_pair, sends_large_data_when_it_is_asked_to) {
    scripted_peer p({.qid = 1, .depth = 4, .in_capsule_data = 64}, {.max_r2t = 2});
    p.greet();
    command c(io_opcode::write, 10000, 3);
    for (std::size_t i = 0; i < c.memory.size(); ++i)
        c.memory[i] = static_cast<std::uint8_t>(i * 11);
    p.submit(c);
    const bytes capsule = p.heard();
    ASSERT_EQ(capsule.size(), 72u);
    EXPECT_EQ(bytes(capsule.begin() + 40, capsule.begin() + 48), le(10000, 4) + bytes({0, 0, 0, 0x5a}));
    const auto cid = cid_in(capsule);
    const auto part = [&](std::size_t from, std::size_t n) {
        return bytes(c.memory.begin() + static_cast<long>(from), c.memory.begin() + static_cast<long>(from + n));
    };
    const auto h2c = [&](std::uint16_t ttag, std::uint32_t offset, std::uint32_t n, bool is_last) {
        return bytes{0x06, is_last ? last : std::uint8_t{0}, 24, 24} + le(24 + n, 4) + le(cid, 2) + le(ttag, 2) +
               le(offset, 4) + le(n, 4) + le(0, 4) + part(offset, n);
    };
    p.say(r2t(cid, 0xbeef, 0, 6000) + r2t(cid, 0xcafe, 6000, 4000));
    EXPECT_EQ(p.heard(), h2c(0xbeef, 0, 4096, false) + h2c(0xbeef, 4096, 1904, true) + h2c(0xcafe, 6000, 4000, true));
    EXPECT_EQ(c.times_done, 0u);
    p.say(capsule_resp(cid));
    EXPECT_EQ(c.times_done, 1u);
    EXPECT_TRUE(c.status().ok()) << nvme::to_string(c.status());
}

TEST(tcp_queue_pair, a_success_without_all_the_data_is_a_failure) {
    scripted_peer p;
    p.greet();
    command r(io_opcode::read, 512), w(io_opcode::write, 512), f(io_opcode::flush);
    p.submit(r);
    p.say(c2h_header(cid_in(p.heard()), 0, 256, success) + bytes(256));
    EXPECT_EQ(r.times_done, 1u);
    EXPECT_EQ(r.status(), nvme::sc::data_transfer_error);
    p.submit(w);
    p.say(capsule_resp(cid_in(p.heard())));
    EXPECT_EQ(w.status(), nvme::sc::data_transfer_error);
    p.submit(f);
    p.say(capsule_resp(cid_in(p.heard())));
    EXPECT_TRUE(f.status().ok());
    EXPECT_TRUE(p.q->is_open());
}

TEST(tcp_queue_pair, passes_a_status_on) {
    scripted_peer p;
    p.greet();
    command w(io_opcode::write, 512);
    p.submit(w);
    p.say(capsule_resp(cid_in(p.heard()), nvme::sc::lba_out_of_range.with_dnr().value));
    EXPECT_EQ(w.status(), nvme::sc::lba_out_of_range.with_dnr());
    EXPECT_TRUE(p.q->is_open());
}

TEST(tcp_queue_pair, checks_and_makes_digests) {
    scripted_peer p({.qid = 1, .depth = 4, .in_capsule_data = 64}, {.header_digest = true, .data_digest = true});
    p.greet(ic_resp(0, 3));
    command w(io_opcode::write, 5), r(io_opcode::read, 4), again(io_opcode::read, 4);
    w.memory = {'h', 'e', 'l', 'l', 'o'};
    p.submit(w);
    bytes sent = p.heard();
    ASSERT_EQ(sent.size(), 72u + 4 + 5 + 4);
    EXPECT_EQ(sent[1], 3);
    EXPECT_EQ(sent[3], 76);
    EXPECT_EQ(sent[4], 85);
    EXPECT_EQ(bytes(sent.begin() + 72, sent.begin() + 76), digest(bytes(sent.begin(), sent.begin() + 72)));
    EXPECT_EQ(bytes(sent.begin() + 81, sent.end()), digest({'h', 'e', 'l', 'l', 'o'}));
    const auto answer = [&](const bytes& header) { return header + digest(header); };
    p.say(answer(capsule_resp(cid_in(sent), 0, 1)));
    EXPECT_TRUE(w.times_done == 1 && w.status().ok());

    p.submit(r);
    const auto data_header = [&](std::uint16_t cid) { return answer(c2h_header(cid, 0, 4, success | 3, 36, 28)); };
    p.say(data_header(cid_in(p.heard())) + bytes{'d', 'a', 't', 'a'} + digest({'d', 'a', 't', 'o'}));
    EXPECT_EQ(r.times_done, 1u);
    EXPECT_EQ(r.status(), nvme::sc::transient_transport_error) << "one command is spoilt, and that is all";
    p.submit(again);
    p.say(data_header(cid_in(p.heard())) + bytes{'d', 'a', 't', 'a'} + digest({'d', 'a', 't', 'a'}));
    EXPECT_TRUE(again.times_done == 1 && again.status().ok());
    EXPECT_EQ(again.memory, (bytes{'d', 'a', 't', 'a'}));
}

TEST(tcp_queue_pair, takes_no_more_than_its_depth) {
    scripted_peer p({.qid = 1, .depth = 3});
    p.greet();
    std::vector<command> all(4, command(io_opcode::flush));
    for (auto& c : all)
        c.data = {};
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(p.submit(all[static_cast<std::size_t>(i)]));
    EXPECT_FALSE(p.submit(all[3]));
    const bytes sent = p.heard();
    ASSERT_EQ(sent.size(), 3u * 72);
    p.say(capsule_resp(cid_in(bytes(sent.begin() + 72, sent.end()))));
    EXPECT_EQ(all[1].times_done, 1u);
    EXPECT_TRUE(p.submit(all[3]));
    EXPECT_NE(cid_in(p.heard()), cid_in(bytes(sent.begin() + 72, sent.end())))
        << "a late answer must not find the wrong one";
    p.on_core([&] { p.q->close(); });
}

TEST(tcp_queue_pair, ends_what_is_outstanding_when_the_connection_ends) {
    scripted_peer p;
    p.greet();
    command sent(io_opcode::read, 512), also(io_opcode::write, 9000);
    p.submit(sent);
    p.submit(also);
    ::shutdown(p.peer, SHUT_RDWR);
    p.turns();
    EXPECT_TRUE(sent.times_done == 1 && also.times_done == 1);
    EXPECT_EQ(sent.status(), nvme::sc::host_pathing_error);
    EXPECT_EQ(p.times_lost, 1u);
    EXPECT_EQ(p.q->outstanding(), 0u);
    EXPECT_FALSE(p.submit(sent));
    EXPECT_EQ(p.q->trouble(), "the controller closed the connection");
}

TEST(tcp_queue_pair, close_does_not_call_on_lost) {
    scripted_peer p;
    p.greet();
    command c(io_opcode::read, 512);
    p.submit(c);
    p.on_core([&] { p.q->close(); });
    EXPECT_TRUE(c.times_done == 1 && c.status() == nvme::sc::host_pathing_error);
    EXPECT_EQ(p.times_lost, 0u);
    EXPECT_EQ(p.q->trouble(), "");
}

TEST(tcp_queue_pair, keeps_a_request_until_its_data_has_left) {
    scripted_peer p({.qid = 1, .depth = 4}, {}, 4096);
    p.greet();
    command c(io_opcode::write, 1 << 22);
    p.submit(c);
    const auto cid = cid_in(p.heard());
    p.say(r2t(cid, 1, 0, 1 << 22));
    // The socket is full. The controller does not wait for the rest.
    p.say(capsule_resp(cid, nvme::sc::write_fault.value));
    EXPECT_EQ(c.times_done, 0u) << "its memory is still being read";
    std::size_t got = 0;
    for (int i = 0; i < 1000 && c.times_done == 0; ++i) {
        got += p.heard().size();
        p.turns();
    }
    EXPECT_EQ(c.times_done, 1u);
    EXPECT_EQ(c.status(), nvme::sc::write_fault);
    got += p.heard().size();
    EXPECT_LT(got, 1u << 22) << "what was not begun is not sent";
    EXPECT_TRUE(p.q->is_open());
}

TEST(tcp_queue_pair, reports_the_reason_in_a_term_req) {
    scripted_peer p;
    p.greet();
    command c(io_opcode::read, 512);
    p.submit(c);
    p.say(bytes{0x03, 0, 24, 0, 24, 0, 0, 0} + le(1, 2) + le(24, 4) + bytes(10));
    EXPECT_EQ(c.times_done, 1u);
    EXPECT_EQ(p.q->trouble(), "the controller ended the connection: invalid PDU header field (FES 0x1, FEI 0x18)");
}

struct wrong {
    const char* what;
    bytes said;
    termination answer;
};

TEST(tcp_queue_pair, refuses_a_wrong_icresp) {
    const auto with = [](std::size_t at, std::uint8_t value) {
        bytes b = ic_resp();
        b[at] = value;
        return b;
    };
    const wrong rows[] = {
        {"another format version", with(8, 1), {6, 8}},
        {"an alignment beyond 128 bytes", with(10, 32), {1, 10}},
        {"a digest that was not asked for", with(11, 1), {1, 11}},
        {"H2CData of less than 4096 bytes", ic_resp(0, 0, 4092), {1, 12}},
        {"H2CData of no multiple of 4", ic_resp(0, 0, 4097), {1, 12}},
        {"an answer to no command", capsule_resp(0), {2, 0}},
        {"a PDU that only hosts send", bytes{0x04, 0, 72, 0, 72, 0, 0, 0}, {1, 0}},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.what);
        scripted_peer p;
        p.heard();
        p.say(row.said);
        EXPECT_EQ(termination_in(p.heard()), row.answer);
        ASSERT_TRUE(p.greeted && !*p.greeted);
        EXPECT_NE(p.greeted->error().sentence.find("violated the protocol"), std::string::npos);
    }
}

TEST(tcp_queue_pair, ends_a_connection_whose_controller_breaks_the_protocol) {
    scripted_peer probe;  // which identifiers the first commands have
    probe.greet();
    command first(io_opcode::read, 512), second(io_opcode::write, 512);
    probe.submit(first);
    const auto read = cid_in(probe.heard());
    probe.submit(second);
    const auto write = cid_in(probe.heard());
    probe.say(capsule_resp(read, 1) + capsule_resp(write, 1));

    const wrong rows[] = {
        {"a second greeting", ic_resp(), {2, 0}},
        {"an answer to a command that is not there", capsule_resp(static_cast<std::uint16_t>(read + 2)), {1, 20}},
        {"two answers to one", capsule_resp(read, 1) + capsule_resp(read, 1), {1, 20}},
        {"data for a command that is not there", c2h_header(0x7fff, 0, 4, 0) + bytes(4), {1, 8}},
        {"data for a write", c2h_header(write, 0, 4, 0) + bytes(4), {1, 8}},
        {"data that leaves a gap", c2h_header(read, 4, 4, 0) + bytes(4), {4, 0}},
        {"data beyond the command's", c2h_header(read, 0, 516, 0) + bytes(516), {4, 0}},
        {"data of another length than the PDU's", c2h_header(read, 0, 8, 0, 28) + bytes(4), {1, 16}},
        {"a success before the last data", c2h_header(read, 0, 4, nvme::tcp_success) + bytes(4), {1, 1}},
        {"an R2T for a read", r2t(read, 0, 0, 4), {1, 8}},
        {"an R2T for nothing", r2t(write, 0, 0, 0), {4, 0}},
        {"an R2T beyond the data", r2t(write, 0, 0, 516), {4, 0}},
        {"an R2T at the wrong place", r2t(write, 0, 4, 4), {4, 0}},
        {"two R2Ts at once where one is agreed on", r2t(write, 0, 0, 4) + r2t(write, 1, 4, 4), {5, 0}},
        {"a header of the wrong length", bytes{0x05, 0, 25, 0, 25, 0, 0, 0}, {1, 2}},
        {"data without end", bytes{0x07, 0, 24, 24, 0xff, 0xff, 0xff, 0xff} + le(read, 2) + bytes(14), {1, 16}},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.what);
        scripted_peer p({.qid = 1, .depth = 4, .in_capsule_data = 64}, {.max_r2t = 1});
        p.greet();
        command r(io_opcode::read, 512), w(io_opcode::write, 512);
        p.submit(r);
        p.submit(w);
        p.heard();
        p.say(row.said);
        EXPECT_EQ(termination_in(p.heard()), row.answer);
        EXPECT_TRUE(r.times_done == 1 && w.times_done == 1) << "each is done once, whatever comes";
        EXPECT_EQ(w.status(), nvme::sc::host_pathing_error);
        EXPECT_EQ(p.times_lost, 1u);
        EXPECT_NE(p.q->trouble().find("violated the protocol"), std::string::npos) << p.q->trouble();
    }
}

}  // namespace
}  // namespace causeway::host::testing
