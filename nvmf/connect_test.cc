// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

#include <functional>

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t in_data = 1u << 16;

/// A good Connect, to be spoilt.
struct attempt {
    nvme::connect_command command;
    nvme::connect_data data;
    transport_address at = here;
    std::string proves;

    attempt(std::uint16_t qid, std::string_view nqn, std::uint16_t cntlid)
        : command(std::bit_cast<nvme::connect_command>(connect(qid))), data(connect_data(subsystem_nqn, nqn, cntlid)) {}

    capsule& make(nvmf_fixture& w) {
        connection& c = w.connect_to(1, at);
        c.proves = proves;
        return c.call(std::bit_cast<nvme::command>(command), raw(data));
    }
};

struct row {
    const char* sentence;
    std::function<void(attempt&)> spoil;
    status answer;
    std::uint32_t dw0;
};

template <std::size_t N>
void set_text(char (&field)[N], std::string_view text) {
    std::memset(field, 0, N);
    std::copy(text.begin(), text.end(), field);
}

constexpr status bad = sc::connect_invalid_parameters;

const row admin_rows[] = {
    {"another record format is not understood", [](attempt& a) { a.command.recfmt = 1; },
     sc::connect_incompatible_format, 0},
    {"a queue of one entry holds nothing", [](attempt& a) { a.command.sqsize = 0; }, bad, 44},
    {"an admin queue is not deeper than the transport allows", [](attempt& a) { a.command.sqsize = 128; }, bad, 44},
    {"static controllers do not exist", [](attempt& a) { a.data.cntlid = 1; }, bad, in_data | 16},
    {"nor does a host get any static one", [](attempt& a) { a.data.cntlid = 0xfffe; }, bad, in_data | 16},
    {"a subsystem that is not here", [](attempt& a) { set_text(a.data.subnqn, "nqn.2024-01.io.example:other"); }, bad,
     in_data | 256},
    {"a subsystem without a name", [](attempt& a) { set_text(a.data.subnqn, ""); }, bad, in_data | 256},
    {"a subsystem name without an end", [](attempt& a) { std::memset(a.data.subnqn, 'n', 256); }, bad, in_data | 256},
    {"a host without a name", [](attempt& a) { set_text(a.data.hostnqn, ""); }, bad, in_data | 512},
    {"a host name without an end", [](attempt& a) { std::memset(a.data.hostnqn, 'n', 256); }, bad, in_data | 512},
    {"a host name one byte longer than names are", [](attempt& a) { std::memset(a.data.hostnqn, 'n', 224); }, bad,
     in_data | 512},
    {"a host whose name would break a log line", [](attempt& a) { set_text(a.data.hostnqn, "nqn.\nFAKE"); }, bad,
     in_data | 512},
    {"a host whose name is not UTF-8", [](attempt& a) { set_text(a.data.hostnqn, "nqn.\xff\xfe"); }, bad,
     in_data | 512},
    {"a host that is not on the list", [](attempt& a) { set_text(a.data.hostnqn, host_b); }, sc::connect_invalid_host,
     0},
    {"a host that has proved to be another", [](attempt& a) { a.proves = host_b + " " + subsystem_nqn; },
     sc::connect_invalid_host, 0},
    {"a host that has proved to be one for another subsystem", [](attempt& a) { a.proves = host_a + " nqn.other"; },
     sc::connect_invalid_host, 0},
    {"an address that the subsystem does not listen at", [](attempt& a) { a.at = elsewhere; }, bad, in_data | 256},
};

TEST(connect, refuses_an_admin_queue_for_a_reason) {
    nvmf_fixture w;
    auto& s = w.make_subsystem();
    w.run(s.access().set_allow_any_host(false));
    EXPECT_TRUE(s.access().add_host(host_a));
    for (const row& r : admin_rows) {
        SCOPED_TRACE(r.sentence);
        attempt a(0, host_a, 0xffff);
        r.spoil(a);
        const capsule& c = a.make(w);
        EXPECT_TRUE(c.status().is(r.answer)) << nvme::to_string(c.status());
        EXPECT_EQ(c.dw0(), r.dw0);
        EXPECT_FALSE(c.of->qpair->is_connected());
        EXPECT_TRUE(s.controllers().all().empty());
    }
    attempt good(0, host_a, 0xffff);
    EXPECT_EQ(good.make(w).status(), sc::success);
}

const row io_rows[] = {
    {"a controller that is not here", [](attempt& a) { a.data.cntlid = 77; }, bad, in_data | 16},
    {"no controller in particular", [](attempt& a) { a.data.cntlid = 0xffff; }, bad, in_data | 16},
    {"another host's controller", [](attempt& a) { set_text(a.data.hostnqn, host_b); }, bad, in_data | 512},
    {"the same host name with another identifier", [](attempt& a) { a.data.hostid[15] ^= 1; }, bad, in_data | 0},
    {"a queue beyond those that were granted", [](attempt& a) { a.command.qid = 128; }, bad, 42},
    {"a queue deeper than CAP.MQES", [](attempt& a) { a.command.sqsize = 128; }, bad, 44},
    {"a queue that exists", [](attempt& a) { a.command.qid = 1; }, sc::command_sequence_error, 0},
};

TEST(connect, refuses_an_io_queue_for_a_reason) {
    nvmf_fixture w;
    w.make_subsystem();
    host h = w.make_host(host_a, 1);
    for (const row& r : io_rows) {
        SCOPED_TRACE(r.sentence);
        attempt a(2, host_a, h.cntlid);
        r.spoil(a);
        const capsule& c = a.make(w);
        EXPECT_TRUE(c.status().is(r.answer)) << nvme::to_string(c.status());
        EXPECT_EQ(c.dw0(), r.dw0);
    }
    attempt good(2, host_a, h.cntlid);
    EXPECT_EQ(good.make(w).status(), sc::success);
}

TEST(connect, admits_io_queues_only_to_a_controller_that_is_enabled) {
    nvmf_fixture w;
    w.make_subsystem();
    attempt admin_queue(0, host_a, 0xffff);
    const auto cntlid = static_cast<std::uint16_t>(admin_queue.make(w).dw0());
    attempt early(1, host_a, cntlid);
    const capsule& c = early.make(w);
    EXPECT_TRUE(c.status().is(bad));
    EXPECT_EQ(c.dw0(), 42u);
}

TEST(connect, what_may_be_different_at_the_next_try_is_not_final) {
    nvmf_fixture w;
    attempt early(0, host_a, 0xffff);
    EXPECT_FALSE(early.make(w).status().dnr());
    w.make_subsystem();
    EXPECT_EQ(early.make(w).status(), sc::success);
}

TEST(connect, is_the_first_command_of_a_connection_and_comes_once) {
    nvmf_fixture w;
    w.make_subsystem();
    auto& c = w.connect_to(0);
    EXPECT_TRUE(c.call(property_get(nvme::property::cap)).status().is(sc::command_sequence_error));
    EXPECT_TRUE(c.call(identify(nvme::cns::controller)).status().is(sc::command_sequence_error));
    EXPECT_TRUE(c.call(io(nvme::io_opcode::read, 1)).status().is(sc::command_sequence_error));
    const bytes data = raw(connect_data(subsystem_nqn, host_a));
    EXPECT_EQ(c.call(connect(0), data).status(), sc::success);
    EXPECT_TRUE(c.call(connect(0), data).status().is(sc::command_sequence_error));
}

TEST(connect, a_refused_host_may_try_again_on_the_same_connection) {
    nvmf_fixture w;
    w.make_subsystem();
    auto& c = w.connect_to(0);
    EXPECT_FALSE(c.call(connect(0), raw(connect_data("nqn.2024-01.io.example:no", host_a))).status().ok());
    EXPECT_EQ(c.call(connect(0), raw(connect_data(subsystem_nqn, host_a))).status(), sc::success);
}

TEST(connect, two_at_once_on_one_connection_are_one_too_many) {
    nvmf_fixture w;
    w.make_subsystem();
    auto& c = w.connect_to(1);
    const bytes data = raw(connect_data(subsystem_nqn, host_a));
    auto& first = c.send(connect(0), data);
    auto& second = c.send(connect(0), data);
    EXPECT_TRUE(w.until([&] { return first.answered && second.answered; }));
    EXPECT_EQ(first.status(), sc::success);
    EXPECT_TRUE(second.status().is(sc::command_sequence_error));
}

TEST(connect, respects_what_the_transport_has_granted) {
    nvmf_fixture w;
    w.make_subsystem();
    auto& c = w.connect_to(0);
    c.qpair->sq_entries = 32;
    const bytes data = raw(connect_data(subsystem_nqn, host_a));
    EXPECT_TRUE(c.call(connect(0, 32), data).status().is(bad));
    EXPECT_EQ(c.call(connect(0, 31), data).status(), sc::success);
}

TEST(connect, leaves_flow_control_out_where_the_host_asks) {
    nvmf_fixture w;
    w.make_subsystem();
    auto command = std::bit_cast<nvme::connect_command>(connect(0));
    command.cattr = nvme::cattr_disable_sq_flow_control;
    auto& c = w.connect_to(0);
    EXPECT_TRUE(c.qpair->sq_flow_control());
    c.call(std::bit_cast<nvme::command>(command), raw(connect_data(subsystem_nqn, host_a)));
    EXPECT_FALSE(c.qpair->sq_flow_control());
}

TEST(connect, a_wildcard_listener_is_every_address) {
    nvmf_fixture w;
    auto& s = w.make_subsystem();
    EXPECT_TRUE(w.run(s.listeners().remove(here)));
    transport_address any = here;
    any.traddr = "0.0.0.0";
    EXPECT_TRUE(w.run(s.listeners().add(any)));
    attempt a(0, host_a, 0xffff);
    a.at = elsewhere;
    EXPECT_EQ(a.make(w).status(), sc::success);
    a.at.trsvcid = "4421";
    EXPECT_TRUE(a.make(w).status().is(bad));
}

TEST(connect, gives_cntlids_in_turn_and_within_bounds) {
    nvmf_fixture w;
    subsystem_options o;
    o.nqn = subsystem_nqn;
    o.allow_any_host = true;
    o.min_cntlid = 10;
    o.max_cntlid = 12;
    auto& s = **w.run(w.target.create_subsystem(o));
    ASSERT_TRUE(w.run(s.listeners().add(here)));
    attempt a(0, host_a, 0xffff);
    EXPECT_EQ(a.make(w).dw0(), 10u);
    connection& second = *a.make(w).of;
    EXPECT_EQ(s.controllers().all().rbegin()->first, 11u);
    EXPECT_EQ(a.make(w).dw0(), 12u);
    EXPECT_TRUE(a.make(w).status().is(sc::connect_controller_busy));
    second.drop();
    EXPECT_TRUE(w.until([&] { return second.gone; }));
    EXPECT_EQ(a.make(w).dw0(), 11u);
}

TEST(connect, an_old_queue_that_is_about_to_go_is_waited_for) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        nvmf_fixture w(seed);
        w.make_subsystem();
        host h = w.make_host(host_a, 1);
        h.queues[0]->drop();
        attempt again(1, host_a, h.cntlid);
        EXPECT_EQ(again.make(w).status(), sc::success);
    }
}

TEST(connect, a_connection_lost_while_it_runs_leaves_nothing_behind) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        nvmf_fixture w(seed);
        auto& s = w.make_subsystem();
        auto& c = w.connect_to(seed);
        c.send(connect(0), raw(connect_data(subsystem_nqn, host_a)));
        c.drop();
        EXPECT_TRUE(w.until([&] { return c.gone; }));
        EXPECT_TRUE(s.controllers().all().empty());
        for (std::size_t core = 0; core < 3; ++core) {
            EXPECT_EQ(w.target.counters().on(core).current_admin_qpairs.get(), 0u);
            EXPECT_EQ(w.target.counters().on(core).current_unassociated_qpairs.get(), 0u);
        }
    }
}

TEST(disconnect, closes_an_io_queue_after_its_answer) {
    nvmf_fixture w;
    w.make_subsystem();
    host h = w.make_host(host_a, 2);
    nvme::disconnect_command d{};
    d.opcode = nvme::fabrics_opcode;
    d.type = nvme::to_underlying(nvme::fctype::disconnect);
    auto& c = h.queues[0]->call(std::bit_cast<nvme::command>(d));
    EXPECT_EQ(c.status(), sc::success);
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    EXPECT_EQ(h.queues[0]->closed, disconnect_reason::host_asked);
    EXPECT_FALSE(h.queues[1]->closed);
    EXPECT_FALSE(h.admin->closed);

    d.recfmt = 1;
    EXPECT_TRUE(h.queues[1]->call(std::bit_cast<nvme::command>(d)).status().is(sc::connect_incompatible_format));
    d.recfmt = 0;
    EXPECT_TRUE(h.admin->call(std::bit_cast<nvme::command>(d)).status().is(sc::invalid_queue_type));
}

}  // namespace
}  // namespace causeway::nvmf::test
