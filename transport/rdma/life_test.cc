// SPDX-License-Identifier: Apache-2.0
// How connections and devices come and go.

#include "core/trace.h"
#include "transport/rdma/cm_channel.h"
#include "transport/rdma/rdma_transport.h"
#include "transport/rdma/testing/rdma_fixture.h"

#include <gtest/gtest.h>
#include <vector>

namespace causeway::rdma::test {
namespace {

using namespace std::chrono_literals;
using nvme::rdma_cm_status;

TEST(life, nothing_is_left_of_a_host_that_has_gone) {
    rdma_fixture w;
    for (int i = 0; i < 5; ++i) {
        host h = w.make_host();
        h.io->end().disconnect();
        h.admin->end().disconnect();
        EXPECT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    }
}

TEST(life, each_step_of_a_connection_is_traced) {
    rdma_fixture w;
    ::testing::internal::CaptureStderr();
    core::log::flag::set("rdma", true);
    host h = w.make_host();
    h.io->end().disconnect();
    h.admin->end().disconnect();
    EXPECT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    w.pass(1ms);
    core::log::flag::set("rdma", false);
    EXPECT_TRUE(core::log::flush());
    const std::string printed = ::testing::internal::GetCapturedStderr();
    std::size_t at = 0;
    for (const char* step : {"DEBUG: rdma: ", " queue 1: on core ", " queue 1: closing: ", "rdma: queue 1: gone\n"}) {
        at = printed.find(step, at);
        EXPECT_NE(at, std::string::npos) << step << " is not in\n" << printed;
    }
}

TEST(life, a_wrong_request_is_rejected_with_the_reason) {
    rdma_fixture w;
    nvme::rdma_cm_request r{};
    r.recfmt = std::uint16_t{1};
    host_end* h = w.fabric.request("10.0.0.1", 4420, r);
    ASSERT_TRUE(w.until([&] { return h->is == host_end::state::rejected; }));
    EXPECT_EQ(h->status, nvme::to_underlying(rdma_cm_status::invalid_recfmt));
}

TEST(life, a_queue_is_as_deep_as_all_agree) {
    transport_options o = small_options();
    o.max_queue_depth = 64;
    o.max_aq_depth = 32;
    rdma_fixture w(1, o);
    EXPECT_EQ(w.open(1, 128)->end().crqsize, 64);
    EXPECT_EQ(w.open(1, 16)->end().crqsize, 16);
    EXPECT_EQ(w.open(0, 128)->end().crqsize, 32);
}

TEST(life, no_room_is_said_and_comes_back) {
    transport_options o = small_options();
    o.max_srq_depth = 32;
    rdma_fixture w(1, o);
    std::vector<std::unique_ptr<host_queue>> held;
    for (;;) {
        held.push_back(w.open(0, 32));
        if (held.back()->end().is == host_end::state::rejected)
            break;
        ASSERT_LE(held.size(), 3u);
    }
    EXPECT_EQ(held.size(), 4u) << "one on each core";
    EXPECT_EQ(held.back()->end().status, nvme::to_underlying(rdma_cm_status::no_resources));
    for (auto& q : held)
        q->end().disconnect();
    ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0; }));
    w.pass(1ms);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(w.open(0, 32)->end().is, host_end::state::accepted);
}

TEST(life, who_never_connects_is_closed) {
    rdma_fixture w;
    auto q = w.open(0, 32);
    w.pass(10s);
    EXPECT_FALSE(q->closed());
    w.pass(10s);
    EXPECT_TRUE(q->closed());
    host h = w.make_host();
    w.pass(60s);
    EXPECT_FALSE(h.io->closed()) << "who has connected stays";
}

TEST(life, disconnects_at_any_time) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        SCOPED_TRACE(seed);
        device_options d;
        d.cleans_up_on_destroy = seed % 2;
        rdma_fixture w(seed, small_options(), d);
        for (int i = 0; i < 8; ++i) {
            host h = w.make_host(i % 3 ? nqn : slow_nqn, 16);
            for (unsigned n = 0; n < 16; ++n)
                h.io->send(n % 2 ? read(0, 64) : write(0, 64), 64 * block, n * 40000);
            w.pass(core::nanoseconds(w.sim.random().below(300'000)));
            h.io->end().disconnect();
            if (i % 2)
                h.admin->end().disconnect();
        }
    }
}

/// The control reactor takes an event and acknowledges it, and a plain thread destroys the identifier at once: the
/// event is handled when the end of tear_down() is on its way already.
TEST(life, an_event_that_is_handled_after_its_identifier_was_destroyed) {
    rdma_fixture w;
    w.fabric.on_destroy_id = [&](rdma_cm_id& id) {
        auto* const owner = static_cast<cm_owner*>(id.context);
        w.sim.group().control().execute([owner] { owner->on_event({RDMA_CM_EVENT_DISCONNECTED, 0, nullptr}); });
    };
    std::vector<std::unique_ptr<host_queue>> queues;  // without Connect: nothing else delays their end
    for (int i = 0; i < 6; ++i)                       // on every core, the control reactor's included
        queues.push_back(w.open(0, 32));
    for (auto& q : queues)
        q->end().disconnect();
    EXPECT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    w.pass(1ms);
    w.fabric.on_destroy_id = {};
}

TEST(life, hosts_that_go_while_they_are_accepted) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        rdma_fixture w(seed);
        nvme::rdma_cm_request r{};
        r.hrqsize = std::uint16_t{32};
        r.hsqsize = std::uint16_t{31};
        std::vector<host_end*> ends;
        for (int i = 0; i < 40; ++i) {
            ends.push_back(w.fabric.request("10.0.0.1", 4420, r));
            w.pass(core::nanoseconds(w.sim.random().below(50'000)));
            ends[w.sim.random().below(ends.size())]->disconnect();
        }
        ASSERT_TRUE(w.until([&] {
            for (auto* e : ends)
                if (e->is == host_end::state::requesting)
                    return false;
            return true;
        }));
        for (auto* e : ends)
            e->disconnect();
        EXPECT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    }
}

TEST(life, a_core_is_counted_back_when_the_listener_goes_while_a_connection_is_accepted) {
    unsigned accepting = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        rdma_fixture w(seed);
        nvme::rdma_cm_request r{};
        r.hrqsize = std::uint16_t{32};
        r.hsqsize = std::uint16_t{31};
        host_end* const end = w.fabric.request("10.0.0.1", 4420, r);
        ASSERT_TRUE(w.until([&] { return w.homes.count(core::lease_kind::admin_queue) == 1; }));
        w.pass(core::nanoseconds(w.sim.random().below(50'000)));
        accepting += end->is == host_end::state::requesting;
        for (const std::string& subnqn : {nqn, slow_nqn})
            EXPECT_TRUE(w.run(w.target.find_subsystem(subnqn)->listeners().remove(w.here)));
        ASSERT_TRUE(w.until([&] { return end->is != host_end::state::requesting; }));
        end->disconnect();
        EXPECT_TRUE(w.until([&] { return w.homes.count(core::lease_kind::admin_queue) == 0; }));
    }
    EXPECT_GT(accepting, 0u);
}

/// What a dying queue pair leaves in its completion queue may hold receives. None may be lost, or there would be fewer
/// after each connection.
TEST(life, no_receive_is_lost_however_many_hosts_come_and_go) {
    for (const bool cleans_up : {true, false}) {
        transport_options o = small_options();
        o.max_srq_depth = 64;
        device_options d;
        d.cleans_up_on_destroy = cleans_up;
        rdma_fixture w(cleans_up, o, d);
        for (int i = 0; i < 40; ++i) {
            auto q = w.open(0, 64);
            ASSERT_EQ(q->end().is, host_end::state::accepted) << i;
            q->connect(nqn, 31, nvme::cntlid_dynamic);
            for (int n = 0; n < 30; ++n)
                q->send(identify_controller(), 4096);
            w.pass(core::nanoseconds(w.sim.random().below(100'000)));
            q->end().disconnect();
            ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0; }));
            w.pass(5ms);
        }
        host h = w.make_host(nqn, 32);
        for (int i = 0; i < 32; ++i)
            h.io->send(read(0, 64), 64 * block);
        EXPECT_TRUE(w.until([&] { return h.io->end().responses.size() == 32; }));
        EXPECT_EQ(h.io->end().not_ready, 0u);
    }
}

/// What has come for others takes the core longer than a connection needs to be taken apart; behind it lies what the
/// host had sent last, when its queue pair is destroyed.
TEST(life, no_receive_is_lost_by_a_core_that_does_not_keep_up) {
    constexpr std::uint16_t depth = 64, admin_depth = 32;
    transport_options o = small_options();
    o.num_cqe = 20'000;
    device_options d;
    d.completions_per_poll = 1;
    d.backlog = 10'000;
    rdma_fixture w(1, o, d);
    std::vector<host> idle;
    for (int i = 0; i < 3; ++i)  // one on each core
        idle.push_back(w.make_host(nqn, depth));
    for (int i = 0; i < 6; ++i) {
        auto q = w.open(0, admin_depth);
        q->end().send(std::vector<std::byte>(63));  // its end
        ASSERT_TRUE(w.until([&] { return q->end().all_arrived(); }));
        q->end().sends_late = true;
        for (int n = 1; n < admin_depth; ++n)
            q->send(flush());
        ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 2 * 3; }));
        w.pass(200ms);
    }
    EXPECT_GE(w.fabric.receives_posted(), 3u * (depth + admin_depth));
}

TEST(life, a_hung_device_keeps_memory_and_nothing_of_the_rdma_device) {
    rdma_fixture w;
    w.hang(true);
    host h = w.make_host(slow_nqn, 16);
    for (int i = 0; i < 16; ++i)
        h.io->send(read(0, 64), 64 * block);
    w.pass(20ms);
    h.io->end().disconnect();
    h.admin->end().disconnect();
    EXPECT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    host other = w.make_host();
    const auto c = other.io->call(read(0, 8), 4096);
    EXPECT_TRUE(c && c->status().ok());
    w.hang(false);
}

TEST(life, a_device_that_fails_is_given_back_and_taken_again) {
    for (const bool removed : {false, true}) {
        for (const bool hung : {false, true}) {
            SCOPED_TRACE(removed);
            SCOPED_TRACE(hung);
            rdma_fixture w(removed * 2 + hung);
            w.hang(hung);
            host h = w.make_host(slow_nqn, 16), idle = w.make_host();
            for (int i = 0; i < 16; ++i)
                h.io->send(read(0, 64), 64 * block);
            w.pass(20ms);
            removed ? w.fabric.remove_device() : w.fabric.fail_device();
            EXPECT_TRUE(w.until([&] {
                for (const auto& [kind, count] : w.fabric.objects)
                    if (kind != "event channel" && count != 0)
                        return false;
                return true;
            })) << "something of the device is kept";
            EXPECT_TRUE(h.io->closed());
            EXPECT_TRUE(idle.io->closed());
            w.pass(5s);
            w.fabric.restore_device();
            w.pass(2s);
            host again = w.make_host();
            const auto c = again.io->call(read(0, 8), 4096);
            EXPECT_TRUE(c && c->status().ok());
            w.hang(false);
        }
    }
}

TEST(life, a_changed_address_is_listened_at_again) {
    rdma_fixture w;
    host h = w.make_host();
    w.fabric.change_address();
    w.pass(50ms);
    host next = w.make_host();
    EXPECT_FALSE(h.io->closed()) << "connections that exist stay";
}

TEST(life, subsystems_share_an_address_and_the_last_one_closes_it) {
    rdma_fixture w;
    auto* first = w.target.find_subsystem(nqn);
    auto* second = w.target.find_subsystem(slow_nqn);
    EXPECT_TRUE(w.run(first->listeners().remove(w.here)));
    EXPECT_EQ(w.fabric.objects["id"], 1);
    EXPECT_TRUE(w.run(second->listeners().remove(w.here)));
    EXPECT_EQ(w.fabric.objects["id"], 0);
    EXPECT_TRUE(w.run(first->listeners().add(w.here))) << "and it can be opened again";
    w.make_host();
}

TEST(life, what_executes_is_answered_when_the_listener_is_removed) {
    for (const bool heals : {true, false}) {
        SCOPED_TRACE(heals);
        rdma_fixture w;
        host h = w.make_host(slow_nqn), other = w.make_host();
        w.hang(true);
        const std::uint16_t before = h.io->send(read(0, 1), block);
        w.pass(20ms);
        bool removed = false;
        w.sim.group().control().execute([&] {
            core::detach(w.target.find_subsystem(slow_nqn)->listeners().remove(w.here),
                         [&](core::result<> r) { removed = r.has_value(); });
        });
        w.pass(20ms);
        const std::uint16_t after = h.io->send(read(0, 1), block);
        w.pass(20ms);
        EXPECT_FALSE(removed) << "it waits for the disk";
        if (heals)
            w.hang(false);
        EXPECT_TRUE(w.until([&] { return removed; })) << "but not for ever";
        const auto answered = h.io->response(before);
        EXPECT_EQ(answered && answered->status().ok(), heals);
        EXPECT_FALSE(h.io->response(after)) << "it came too late";
        EXPECT_TRUE(h.io->closed() && h.admin->closed());
        EXPECT_FALSE(other.io->closed()) << "it came by another subsystem's listener";
        if (!heals)
            w.hang(false);
    }
}

TEST(life, addresses_that_cannot_be) {
    rdma_fixture w;
    auto* s = w.target.find_subsystem(nqn);
    const auto no_device = w.run(s->listeners().add({"RDMA", "IPv4", "192.168.1.1", "4420"}));
    ASSERT_FALSE(no_device);
    EXPECT_EQ(no_device.error().code, ENODEV);
    const auto no_address = w.run(s->listeners().add({"RDMA", "IPv4", "ten", "4420"}));
    ASSERT_FALSE(no_address);
    EXPECT_EQ(no_address.error().code, EINVAL);
}

TEST(life, what_has_been_said_goes_out_before_the_end) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        rdma_fixture w(seed);
        host h = w.make_host();
        nvme::disconnect_command d{};
        d.opcode = nvme::fabrics_opcode;
        d.flags = 1 << 6;
        d.type = nvme::to_underlying(nvme::fctype::disconnect);
        const auto c = h.io->call(std::bit_cast<nvme::command>(d));
        EXPECT_TRUE(c.has_value());
    }
}

TEST(life, the_end_of_the_gateway_ends_everything) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        rdma_fixture w(seed);
        std::vector<host> hosts;
        for (int i = 0; i < 4; ++i) {
            hosts.push_back(w.make_host(i % 2 ? nqn : slow_nqn, 16));
            for (int n = 0; n < 16; ++n)
                hosts.back().io->send(read(0, 64), 64 * block);
        }
        nvme::rdma_cm_request r{};
        r.hrqsize = std::uint16_t{32};
        r.hsqsize = std::uint16_t{31};
        for (int i = 0; i < 20; ++i)
            w.fabric.request("10.0.0.1", 4420, r);
        w.pass(core::nanoseconds(w.sim.random().below(200'000)));
    }
}

TEST(life, options_out_of_range) {
    rdma_fixture w;
    const auto refused = [&](auto change) {
        transport_options o;
        change(o);
        return !make_rdma_transport(w.target, o);
    };
    EXPECT_TRUE(refused([](auto& o) { o.max_queue_depth = 1; }));
    EXPECT_TRUE(refused([](auto& o) { o.max_io_size = 4096; }));
    EXPECT_TRUE(refused([](auto& o) { o.max_io_size = 100000; }));
    EXPECT_TRUE(refused([](auto& o) { o.in_capsule_data_size = 128; }));
    EXPECT_TRUE(refused([](auto& o) { o.in_capsule_data_size = 4097; }));
    EXPECT_TRUE(refused([](auto& o) { o.max_srq_depth = 1; }));
    EXPECT_TRUE(refused([](auto& o) { o.large_buffers = 0; }));
    EXPECT_TRUE(refused([](auto& o) { o.ack_timeout = 32; }));
}

}  // namespace
}  // namespace causeway::rdma::test
