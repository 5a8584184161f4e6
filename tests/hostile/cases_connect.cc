// SPDX-License-Identifier: Apache-2.0
// Connection requests and Connect commands that are wrong.

#include "tests/hostile/cases.h"

#include <cstring>
#include <fmt/format.h>
#include <random>
#include <thread>

namespace causeway::hostile {

namespace {

using nvme::rdma_cm_status;

std::string must_reject(const endpoint& at, const ask& what, std::initializer_list<rdma_cm_status> why) {
    auto opened = raw_connection::open(at, what);
    const auto* status = std::get_if<std::uint16_t>(&opened);
    if (!status)
        throw unexpected("the connection request was accepted");
    for (const auto w : why)
        if (*status == nvme::to_underlying(w))
            return fmt::format("rejected with status {}", *status);
    throw unexpected(fmt::format("rejected with status {}", *status));
}

std::string wrong_recfmt(const endpoint& at) {
    return must_reject(at, {.recfmt = 1}, {rdma_cm_status::invalid_recfmt});
}

std::string wrong_qid(const endpoint& at) {
    return must_reject(at, {.qid = 0xffff}, {rdma_cm_status::invalid_qid});
}

std::string no_send_queue(const endpoint& at) {
    return must_reject(at, {.hsqsize = 0}, {rdma_cm_status::invalid_hsqsize});
}

std::string no_receive_queue(const endpoint& at) {
    return must_reject(at, {.hrqsize = 0}, {rdma_cm_status::invalid_hrqsize});
}

std::string no_reads(const endpoint& at) {
    return must_reject(at, {.reads = 0}, {rdma_cm_status::invalid_ird, rdma_cm_status::invalid_ord});
}

std::string reserved_cntlid(const endpoint& at) {
    return must_reject(at, {.qid = 1, .cntlid = 0xfff5}, {rdma_cm_status::invalid_cntlid});
}

std::string short_private_data(const endpoint& at) {
    ask a;
    a.raw.emplace(4, std::byte{0});  // the connection manager pads it with zeros
    return must_reject(at, a,
                       {rdma_cm_status::invalid_private_data_length, rdma_cm_status::invalid_hsqsize,
                        rdma_cm_status::invalid_hrqsize});
}

std::string garbage_private_data(const endpoint& at) {
    std::mt19937 random(20);
    unsigned rejected = 0, accepted = 0;
    for (int i = 0; i < 20; ++i) {
        ask a;
        a.raw.emplace(56);
        for (std::byte& b : *a.raw)
            b = i == 0 ? std::byte{0xff} : static_cast<std::byte>(random());
        if (i > 10)  // past the format check
            (*a.raw)[0] = (*a.raw)[1] = std::byte{0};
        std::holds_alternative<std::uint16_t>(raw_connection::open(at, a)) ? ++rejected : ++accepted;
    }
    open_session(at);
    return fmt::format("{} rejected, {} accepted, the next host is served", rejected, accepted);
}

std::string smallest_queue(const endpoint& at) {
    session s = open_session(at, 2);
    must_still_serve(s);
    return "a queue of two works";
}

std::string sqsize_beyond_grant(const endpoint& at) {
    auto q = must_open(at, {.hrqsize = 8, .hsqsize = 7});
    must_be(must_answer(*q, as_command(connect_command(*q, at, 0, 31, nvme::cntlid_dynamic))),
            {nvme::sc::connect_invalid_parameters});
    return "Connect Invalid Parameters";
}

std::string connect_twice(const endpoint& at) {
    std::uint16_t cntlid = 0;
    auto q = open_admin(at, cntlid);
    must_be(must_answer(*q, as_command(connect_command(*q, at, 0, 31, nvme::cntlid_dynamic))),
            {nvme::sc::command_sequence_error});
    return "Command Sequence Error";
}

std::string command_before_connect(const endpoint& at) {
    auto q = must_open(at, {});
    q->send(identify_controller(*q, 9));
    const auto c = q->receive();
    if (!c)
        return "closed";
    must_be(*c, {nvme::sc::command_sequence_error});
    return "Command Sequence Error";
}

std::string io_before_connect(const endpoint& at) {
    session s = open_session(at);
    auto q = must_open(at, {.qid = 2, .cntlid = s.cntlid});
    q->send(keyed(read_blocks(at, 9, 0, 1), *q, s.block_size));
    const auto c = q->receive();
    if (!c)
        return "closed";
    must_be(*c, {nvme::sc::command_sequence_error});
    return "Command Sequence Error";
}

std::string other_qid(const endpoint& at) {
    session s = open_session(at);
    auto q = must_open(at, {.qid = 2, .cntlid = s.cntlid});
    must_be(must_answer(*q, as_command(connect_command(*q, at, 3, 31, s.cntlid))),
            {nvme::sc::connect_invalid_parameters, nvme::sc::invalid_field});
    return "refused";
}

std::string queue_without_controller(const endpoint& at) {
    auto q = must_open(at, {.qid = 1, .cntlid = 0xabc});
    must_be(must_answer(*q, as_command(connect_command(*q, at, 1, 31, 0xabc))), {nvme::sc::connect_invalid_parameters});
    return "Connect Invalid Parameters";
}

std::string unknown_subsystem(const endpoint& at) {
    endpoint other = at;
    other.nqn = "nqn.2014-08.org.nvmexpress:nobody-has-this";
    auto q = must_open(other, {});
    must_be(must_answer(*q, as_command(connect_command(*q, other, 0, 31, nvme::cntlid_dynamic))),
            {nvme::sc::connect_invalid_parameters});
    return "Connect Invalid Parameters";
}

std::string endless_names(const endpoint& at) {
    auto q = must_open(at, {});
    const auto c = connect_command(*q, at, 0, 31, nvme::cntlid_dynamic);
    std::memset(q->memory().data() + 256, 'n', 512);
    must_be(must_answer(*q, as_command(c)), {nvme::sc::connect_invalid_parameters, nvme::sc::connect_invalid_host});
    return "refused";
}

std::string short_connect_data(const endpoint& at) {
    auto q = must_open(at, {});
    auto c = connect_command(*q, at, 0, 31, nvme::cntlid_dynamic);
    c.sgl = nvme::sgl_descriptor::keyed_data_block(q->address(), 16, q->rkey());
    must_be(must_answer(*q, as_command(c)), {nvme::sc::data_sgl_length_invalid});
    return "Data SGL Length Invalid";
}

std::string connect_data_under_wrong_key(const endpoint& at) {
    auto q = must_open(at, {});
    auto c = connect_command(*q, at, 0, 31, nvme::cntlid_dynamic);
    c.sgl = nvme::sgl_descriptor::keyed_data_block(q->address(), 1024, q->rkey() ^ 0x5a5a00);
    q->send(as_command(c));
    q->expect_closed();
    return "closed";
}

std::string silent(const endpoint& at) {
    auto q = must_open(at, {});
    const auto begin = std::chrono::steady_clock::now();
    if (!q->closes_within(40s))
        throw unexpected("a connection without Connect is kept");
    const auto took = std::chrono::steady_clock::now() - begin;
    return fmt::format("closed after {} s", std::chrono::duration_cast<std::chrono::seconds>(took).count());
}

std::string storm(const endpoint& at) {
    unsigned accepted = 0, rejected = 0;
    std::vector<std::thread> threads;
    std::atomic<unsigned> lost{0};
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 16; ++i) {
                try {
                    auto opened = raw_connection::open(at, {});
                    if (auto* q = std::get_if<0>(&opened); q && (i + t) % 3 == 0)
                        (*q)->disconnect();
                } catch (const unexpected&) {
                    ++lost;  // a full backlog does not answer
                }
            }
        });
    for (auto& t : threads)
        t.join();
    for (int i = 0; i < 4; ++i)
        std::holds_alternative<std::uint16_t>(raw_connection::open(at, {})) ? ++rejected : ++accepted;
    open_session(at);
    return fmt::format("128 in a storm, {} without an answer; then {} of 4 accepted, and a host is served", lost.load(),
                       accepted);
}

constexpr hostile_case cases[] = {
    {"recfmt", "private data of another format", wrong_recfmt},
    {"qid-range", "a queue number beyond what the transport serves", wrong_qid},
    {"hsqsize-0", "a send queue of one entry", no_send_queue},
    {"hrqsize-0", "no receive queue", no_receive_queue},
    {"no-reads", "a host that serves no RDMA READs", no_reads},
    {"cntlid-reserved", "a reserved controller id", reserved_cntlid},
    {"private-data-short", "four bytes of private data", short_private_data},
    {"private-data-garbage", "random private data, 20 times", garbage_private_data},
    {"queue-of-two", "the smallest queue there may be", smallest_queue},
    {"sqsize-beyond-grant", "Connect asks for more than the connection was granted", sqsize_beyond_grant},
    {"connect-twice", "a second Connect on the same queue", connect_twice},
    {"admin-before-connect", "an admin command before Connect", command_before_connect},
    {"io-before-connect", "an I/O command before Connect", io_before_connect},
    {"connect-other-qid", "Connect for another queue than the connection's", other_qid},
    {"queue-without-controller", "an I/O queue for a controller that is not there", queue_without_controller},
    {"unknown-subsystem", "Connect to a subsystem that is not there", unknown_subsystem},
    {"endless-names", "NQNs without an end", endless_names},
    {"connect-data-short", "Connect with 16 bytes of data", short_connect_data},
    {"connect-data-wrong-key", "Connect whose data cannot be read", connect_data_under_wrong_key},
    {"silent", "a connection that never sends Connect", silent},
    {"storm", "128 connections that come and go at once", storm},
};

}  // namespace

std::span<const hostile_case> connect_cases() {
    return cases;
}

}  // namespace causeway::hostile
