// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/testing/tcp_fixture.h"

#include "core/trace.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/testing/dhchap_host.h"

#include <algorithm>
#include <bit>

namespace causeway::tcp {
namespace {

using namespace test;

/// Whoever is refused may stay for another try.
raw_host refused(tcp_fixture& f) {
    raw_host h = f.initialize();
    h.send_connect({.subnqn = "nqn.2024-01.io.example:nothing", .hostnqn = host_nqn});
    const auto answer = f.response(h);
    EXPECT_TRUE(answer && !answer->status().ok());
    return h;
}

struct life : tcp_fixture {};

/// Nothing of them has to be waited for: each is gone in the turn in which its end begins.
TEST_F(life, stops_with_connections_that_were_refused) {
    std::vector<raw_host> hosts;
    for (int i = 0; i < 5; ++i)
        hosts.push_back(refused(*this));
    stop();
    for (raw_host& h : hosts) {
        h.receive();
        EXPECT_TRUE(h.closed);
    }
}

TEST_F(life, each_step_of_a_connection_is_traced) {
    ::testing::internal::CaptureStderr();
    core::log::flag::set("tcp", true);
    const raw_host h = connect();
    stop();
    core::log::flag::set("tcp", false);
    EXPECT_TRUE(core::log::flush());
    const std::string printed = ::testing::internal::GetCapturedStderr();
    std::size_t at = 0;
    for (const char* step : {"DEBUG: tcp: ", " queue 0: on core 0\n", " queue 0: closing: ", "tcp: queue 0: gone\n"}) {
        at = printed.find(step, at);
        EXPECT_NE(at, std::string::npos) << step << " is not in\n" << printed;
    }
}

TEST_F(life, a_connection_that_was_idle_at_a_stall_is_up_to_date_afterwards) {
    const auto disk = add_disk();
    raw_host admin = connect(), h = connect(1, 64);
    const auto pass = [&](unsigned turns) { EXPECT_TRUE(until([&] { return turns-- == 0; })); };
    pass(1000);  // after so many without a word it is only asked for together with the others
    group.control().record_stall(std::chrono::seconds(12));
    pass(100);
    // More than could be told from what came before the stall.
    const std::vector<std::byte> block(4096);
    for (unsigned i = 0; i < 16; ++i) {
        nvme::command c = nvme::make_block_command(nvme::io_opcode::write, 1, i, 1);
        c.sgl = nvme::sgl_descriptor::data_block(0, 4096, nvme::sgl_subtype::offset);
        h.send(c, block);
    }
    EXPECT_TRUE(until([&] { return h.receive(), h.closed || h.responses.size() == 16; }));
    ASSERT_EQ(h.responses.size(), 16u);
    for (const nvme::completion& c : h.responses)
        EXPECT_TRUE(c.status().ok()) << nvme::to_string(c.status());
}

struct life_on_two_cores : tcp_fixture {
    life_on_two_cores() : tcp_fixture(2) {}
};

TEST_F(life_on_two_cores, stops_with_connections_of_every_kind) {
    std::vector<raw_host> hosts;
    for (int i = 0; i < 3; ++i) {
        hosts.push_back(open());
        hosts.push_back(initialize());
        hosts.push_back(refused(*this));
        hosts.push_back(connect());
        hosts.push_back(connect(1));
    }
    stop();
    for (raw_host& h : hosts) {
        h.receive();
        EXPECT_TRUE(h.closed);
    }
}

nvme::command read_of(std::uint64_t lba, std::uint32_t blocks) {
    nvme::command c = nvme::make_block_command(nvme::io_opcode::read, 1, lba, blocks, blocks * 4096);
    c.cid = static_cast<std::uint16_t>(lba);
    return c;
}

/// The cores of a controller's I/O queues, by qid.
std::vector<unsigned> cores_of_io_queues(tcp_fixture& f) {
    std::vector<unsigned> cores;
    for (const auto& q : f.target->find_subsystem(subsystem_nqn)->controllers().all().at(f.cntlid)->qpairs())
        if (q.qid != 0)
            cores.push_back(q.reactor);
    return cores;
}

/// Its device may hang for ever: what it has left counts nowhere.
TEST_F(life_on_two_cores, a_dead_connection_whose_command_hangs_is_nothing_but_that_command) {
    const auto disk = add_disk();
    raw_host admin = connect();
    std::vector<raw_host> queues;
    for (std::uint16_t qid = 1; qid <= 4; ++qid)
        queues.push_back(connect(qid, 128));
    const auto before = cores_of_io_queues(*this);
    EXPECT_EQ(std::count(before.begin(), before.end(), 0u), 2);

    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    std::vector<raw_host> stay;
    std::uint64_t hung = 0;
    for (std::size_t i = 0; i < queues.size(); ++i) {
        if (before[i] != 0) {
            stay.push_back(std::move(queues[i]));
            continue;
        }
        queues[i].send(read_of(0, 1));
        queues[i].send(read_of(1, 32));
        hung += 2;
        ASSERT_TRUE(until([&] { return disk->hung() == hung; }));
    }
    disk->clear_rules();
    queues.clear();
    ASSERT_TRUE(until([&] { return cores_of_io_queues(*this).size() == 2; }));
    ASSERT_EQ(disk->hung(), 4u);

    for (const std::uint16_t qid : {5, 6})
        stay.push_back(connect(qid));
    EXPECT_EQ(cores_of_io_queues(*this), (std::vector{1u, 1u, 0u, 0u})) << "the dead ones do not count on their core";
    for (raw_host& h : stay) {
        h.send(read_of(0, 1));
        EXPECT_TRUE(response(h));
    }
    run(disk->release_hung());
}

/// The host gets its queue when nothing is left of its connection but that.
TEST_F(life, a_connection_may_be_lost_before_its_connect_succeeds) {
    raw_host admin = connect();
    std::optional<raw_host> first(connect(1));
    std::optional<raw_host> second(initialize());
    nvme::connect_parameters p{.subnqn = subsystem_nqn, .hostnqn = host_nqn};
    p.qid = 1;
    p.cntlid = cntlid;
    const std::size_t requests = counter("requests");
    second->send_connect(p);  // waits for the queue that there is to go
    ASSERT_TRUE(until([&] { return counter("requests") == requests + 1; }));
    second.reset();
    ASSERT_TRUE(until([&] { return fabric->limiter().connections() == 2; }));
    first.reset();
    EXPECT_TRUE(until([&] { return cores_of_io_queues(*this).empty(); }));
    raw_host again = connect(1);
}

TEST_F(life, a_core_is_counted_for_a_refused_connection_until_it_is_closed) {
    std::optional<raw_host> h(initialize());
    h->send_connect({.subnqn = "nqn.2024-01.io.example:nothing", .hostnqn = host_nqn});
    const auto refused = response(*h);
    ASSERT_TRUE(refused && !refused->status().ok());
    EXPECT_EQ(homes.count(core::lease_kind::admin_queue), 1u);
    h.reset();
    EXPECT_TRUE(until([&] { return homes.count(core::lease_kind::admin_queue) == 0; }));
}

TEST_F(life, a_core_is_counted_back_when_the_listener_goes_while_a_connection_begins) {
    std::optional<raw_host> h(initialize());
    h->send_connect({.subnqn = subsystem_nqn, .hostnqn = host_nqn});
    ASSERT_TRUE(until([&] { return homes.count(core::lease_kind::admin_queue) == 1; }));
    auto* const subsystem = target->find_subsystem(subsystem_nqn);
    EXPECT_TRUE(run(subsystem->listeners().remove({"TCP", "IPv4", "127.0.0.1", std::to_string(port)})));
    h.reset();
    EXPECT_TRUE(until([&] { return homes.count(core::lease_kind::admin_queue) == 0; }));
}

TEST_F(life, what_executes_is_answered_when_the_listener_is_removed) {
    const auto disk = add_disk();
    raw_host admin = connect();
    raw_host h = connect(1);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    h.send(read_of(0, 1));
    ASSERT_TRUE(until([&] { return disk->hung() == 1; }));
    bool removed = false;
    group.control().execute([&] {
        auto& listeners = target->find_subsystem(subsystem_nqn)->listeners();
        core::detach(listeners.remove({"TCP", "IPv4", "127.0.0.1", std::to_string(port)}),
                     [&](core::result<> r) { removed = r.has_value(); });
    });
    EXPECT_TRUE(until([&] { return admin.receive(), admin.closed; })) << "it has nothing to wait for";
    EXPECT_FALSE(removed);
    h.send(read_of(0, 1));
    disk->clear_rules();
    run(disk->release_hung());
    const auto answered = response(h);
    EXPECT_TRUE(answered && answered->status().ok());
    EXPECT_EQ(h.data.size(), 4096u);
    EXPECT_FALSE(response(h)) << "the other one came too late";
    EXPECT_TRUE(until([&] { return removed; }));
}

TEST_F(life, a_disk_that_hangs_does_not_keep_a_listener) {
    const auto disk = add_disk();
    raw_host admin = connect();
    raw_host h = connect(1);
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    h.send(read_of(0, 1));
    ASSERT_TRUE(until([&] { return disk->hung() == 1; }));
    EXPECT_TRUE(run(
        target->find_subsystem(subsystem_nqn)->listeners().remove({"TCP", "IPv4", "127.0.0.1", std::to_string(port)})));
    EXPECT_FALSE(response(h));
    run(disk->release_hung());
}

// ---- Before Connect.

transport_options one_buffer() {
    transport_options o;
    o.small_buffers = o.large_buffers = 1;
    return o;
}

struct pending : tcp_fixture {
    pending() : tcp_fixture(1, one_buffer()) {}
};

/// Of a Connect, all but so many bytes.
std::vector<std::byte> half_a_connect(std::size_t missing) {
    nvme::connect_parameters p{.subnqn = subsystem_nqn, .hostnqn = host_nqn};
    nvme::tcp_capsule_cmd h{};
    h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::capsule_cmd);
    h.common.hlen = h.common.pdo = sizeof h;
    h.common.plen = sizeof h + sizeof(nvme::connect_data);
    h.sqe = nvme::make_connect_command(p, 1024);
    h.sqe.sgl = nvme::sgl_descriptor::data_block(0, sizeof(nvme::connect_data), nvme::sgl_subtype::offset);
    const auto bytes = std::as_bytes(std::span(&h, 1));
    std::vector<std::byte> all(bytes.begin(), bytes.end());
    all.resize(h.common.plen - missing);
    return all;
}

TEST_F(pending, hold_no_buffers) {
    add_disk();
    raw_host admin = connect();
    raw_host io = connect(1);
    std::vector<raw_host> halves;
    for (int i = 0; i < 20; ++i) {
        halves.push_back(initialize());
        halves.back().send(half_a_connect(500));
    }
    ASSERT_TRUE(until([&] { return counter("accepted") == 22; }));
    for (std::uint64_t lba = 0; lba < 10; ++lba) {
        io.send(read_of(lba, 1));
        EXPECT_TRUE(response(io));
    }
    EXPECT_EQ(fabric->pending_data_buffers(0), 0u);
}

TEST_F(pending, may_connect_again_after_a_refusal_and_have_as_many_commands_as_they_asked_for_then) {
    const auto disk = add_disk();
    raw_host admin = connect();
    raw_host h = initialize();
    nvme::connect_parameters p{.subnqn = "nqn.2024-01.io.example:nothing", .hostnqn = host_nqn};
    for (int i = 0; i < 3; ++i) {
        h.send_connect(p, 2);
        const auto refused = response(h);
        ASSERT_TRUE(refused && !refused->status().ok());
    }
    p.subnqn = subsystem_nqn;
    p.qid = 1;
    p.cntlid = cntlid;
    h.send_connect(p, 16);
    const auto accepted = response(h);
    ASSERT_TRUE(accepted && accepted->status().ok());
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    const auto without_data = nvme::make_block_command(nvme::io_opcode::write_zeroes, 1, 0, 1);
    for (int i = 0; i < 16; ++i)
        h.send(without_data);
    EXPECT_TRUE(until([&] { return counter("requests") == 1 + 1 + 4 + 16; }));
    h.receive();
    EXPECT_FALSE(h.closed);
    h.send(without_data);
    EXPECT_TRUE(until([&] { return h.receive(), h.closed; })) << "one more than that";
    run(disk->release_hung());
}

TEST_F(pending, have_one_command_at_a_time) {
    raw_host h = initialize();
    const nvme::command read = read_of(0, 1);
    h.send(read);
    const auto refused = response(h);
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->status().is(nvme::sc::command_sequence_error));
    nvme::command c = nvme::make_connect_command({.subnqn = subsystem_nqn, .hostnqn = host_nqn}, 32);
    h.send(c);  // its data is asked for
    h.send(read);
    EXPECT_TRUE(until([&] { return h.receive(), h.closed; }));
}

TEST_F(pending, may_have_the_data_of_connect_asked_for) {
    raw_host h = initialize();
    const nvme::connect_parameters p{.subnqn = subsystem_nqn, .hostnqn = host_nqn};
    h.send(nvme::make_connect_command(p, 32));
    ASSERT_TRUE(until([&] { return h.receive(), !h.r2ts.empty(); }));
    const nvme::connect_data data = nvme::make_connect_data(p);
    h.send_data(std::as_bytes(std::span(&data, 1)));
    const auto accepted = response(h);
    EXPECT_TRUE(accepted && accepted->status().ok());
}

TEST_F(pending, have_room_for_connect_and_no_more) {
    raw_host h = initialize();
    nvme::command c = nvme::make_connect_command({.subnqn = subsystem_nqn, .hostnqn = host_nqn}, 32);
    c.sgl = nvme::sgl_descriptor::data_block(0, 8192, nvme::sgl_subtype::offset);
    const std::vector<std::byte> much(8192);
    h.send(c, much);
    const auto refused = response(h);
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->status().is(nvme::sc::data_sgl_length_invalid));
    h.send_connect({.subnqn = subsystem_nqn, .hostnqn = host_nqn});
    const auto accepted = response(h);
    EXPECT_TRUE(accepted && accepted->status().ok());
}

// ---- Too many of them.

nvme::command authentication(nvme::fctype type, std::size_t length) {
    nvme::authentication_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(type);
    c.spsp0 = c.spsp1 = 1;
    c.secp = nvme::secp_nvme;
    c.length = static_cast<std::uint32_t>(length);
    return std::bit_cast<nvme::command>(c);
}

struct crowds : tcp_fixture {
    crowds() : tcp_fixture(2, {}, {.total = 40, .pending = 12, .pending_per_address = 6}) {}
    std::size_t closed_of(std::vector<raw_host>& hosts) {
        std::size_t n = 0;
        for (raw_host& h : hosts) {
            h.receive();
            n += h.closed;
        }
        return n;
    }
};

/// Whatever they have said so far, and on whichever core that was.
TEST_F(crowds, of_strangers_make_room_for_a_host_that_means_it) {
    std::vector<raw_host> silent;
    for (int i = 0; i < 40; ++i) {
        switch (i % 4) {
        case 0: silent.push_back(open()); break;
        case 1: silent.push_back(initialize()); break;
        case 2: silent.push_back(refused(*this)); break;
        case 3: silent.push_back(initialize()), silent.back().send(half_a_connect(100)); break;
        }
    }
    raw_host admin = connect();
    raw_host io = connect(1);
    ASSERT_TRUE(until([&] { return closed_of(silent) == 35; }));
    EXPECT_EQ(counter("evicting"), 35u);
    EXPECT_LE(fabric->limiter().connections(), 8u);
    EXPECT_LE(fabric->limiter().pending(), 6u);
    EXPECT_FALSE(silent.back().closed) << "the last ones are welcome to stay";
}

TEST_F(crowds, of_one_address_cost_another_nothing) {
    raw_host slow = initialize("127.0.0.2");
    std::vector<raw_host> silent;
    for (int i = 0; i < 40; ++i)
        silent.push_back(open());
    ASSERT_TRUE(until([&] { return counter("evicting") == 34; }));
    slow.send_connect({.subnqn = subsystem_nqn, .hostnqn = host_nqn});
    const auto accepted = response(slow);
    EXPECT_TRUE(accepted && accepted->status().ok());
}

/// Anybody may send a Connect under the name of a host that has a key.
TEST_F(crowds, of_hosts_that_have_not_authenticated_make_room_and_one_that_has_stays) {
    const std::string_view text = nvmf::test::key_of_a;
    const nvmf::key key{"key", "/key", core::secret(text.begin(), text.end())};
    group.control().execute([&] {
        EXPECT_TRUE(target->find_subsystem(subsystem_nqn)
                        ->access()
                        .add_host(host_nqn, {.dhchap = std::make_shared<const nvmf::key>(key)}));
    });
    const auto connected = [this] {
        raw_host h = initialize();
        h.send_connect({.subnqn = subsystem_nqn, .hostnqn = host_nqn});
        const auto accepted = response(h);
        EXPECT_TRUE(accepted && accepted->status().ok());
        return h;
    };
    raw_host proven = connected();
    nvmf::test::dhchap_host dhchap{host_nqn, subsystem_nqn};
    const auto send = [&](const auth::bytes& message) {
        nvme::command c = authentication(nvme::fctype::authentication_send, message.size());
        c.sgl =
            nvme::sgl_descriptor::data_block(0, static_cast<std::uint32_t>(message.size()), nvme::sgl_subtype::offset);
        proven.send(c, std::as_bytes(std::span(message)));
        EXPECT_TRUE(response(proven)->status().ok());
    };
    const auto receive = [&] {
        nvme::command c = authentication(nvme::fctype::authentication_receive, 1024);
        c.sgl = nvme::sgl_descriptor::transport_data_block(1024);
        proven.data.clear();
        proven.send(c);
        EXPECT_TRUE(response(proven)->status().ok());
        const auto* const first = reinterpret_cast<const unsigned char*>(proven.data.data());
        return auth::bytes(first, first + proven.data.size());
    };
    send(dhchap.negotiate());
    const auth::bytes challenge = receive();
    send(dhchap.reply(challenge));
    EXPECT_TRUE(dhchap.accepts(receive()));

    std::vector<raw_host> unproven;
    for (int i = 0; i < 12; ++i)
        unproven.push_back(connected());
    EXPECT_TRUE(until([&] { return closed_of(unproven) == 6; }));
    EXPECT_LE(fabric->limiter().pending(), 6u);
    proven.receive();
    EXPECT_FALSE(proven.closed);
}

TEST_F(crowds, of_connected_hosts_have_every_place_and_the_next_one_waits_for_one) {
    std::vector<raw_host> hosts;
    while (!fabric->limiter().full())
        hosts.push_back(connect());
    EXPECT_EQ(hosts.size(), 40u);
    raw_host next = open();
    next.send_ic_req();
    ASSERT_TRUE(until([&] { return counter("accept_pauses") > 0; }));
    next.receive();
    EXPECT_FALSE(next.initialized || next.closed);
    hosts.pop_back();
    EXPECT_TRUE(until([&] { return next.receive(), next.initialized; }));
    EXPECT_LT(counter("accept_pauses"), 1000u);
}

}  // namespace
}  // namespace causeway::tcp
