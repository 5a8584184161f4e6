// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;

class keep_alive : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();

    core::nanoseconds now() const { return core::nanoseconds(static_cast<std::int64_t>(w.sim.time().now())); }
    nvme::command beat() const { return admin(nvme::admin_opcode::keep_alive); }
    static bool all_closed(const host& h) {
        return h.admin->closed && std::all_of(h.queues.begin(), h.queues.end(), [](auto* q) { return q->closed; });
    }
};

TEST_F(keep_alive, a_silent_host_loses_its_connections_after_kato_and_soon) {
    host h = w.make_host(host_a, 3, subsystem_nqn, 15000);  // rounded up to 20 s
    h.admin->call(beat());
    const auto last = now();
    EXPECT_TRUE(w.until([&] { return all_closed(h); }));
    EXPECT_GE(now() - last, 20s - 1ms);
    EXPECT_LT(now() - last, 20s + 100ms);
    for (connection* q : h.queues)
        EXPECT_EQ(q->closed, disconnect_reason::keep_alive_timeout);
    EXPECT_TRUE(s.controllers().all().empty());
}

TEST_F(keep_alive, a_host_that_is_heard_of_stays) {
    host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
    for (int i = 0; i < 100; ++i) {
        w.pass(9s);
        EXPECT_EQ(h.admin->call(beat()).status(), sc::success);
    }
    EXPECT_FALSE(h.admin->closed);
}

TEST_F(keep_alive, other_commands_do_not_count) {
    host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
    w.make_memory("disk");
    w.add(s, "disk");
    for (int i = 0; i < 9; ++i) {
        w.pass(1s);
        h.admin->call(identify(nvme::cns::controller));
        h.queues[0]->call_for(io(nvme::io_opcode::read, 1), 512);
    }
    EXPECT_FALSE(h.admin->closed);
    w.pass(1100ms);
    EXPECT_TRUE(all_closed(h));
}

TEST_F(keep_alive, without_kato_nobody_listens) {
    host h = w.make_host(host_a, 1, subsystem_nqn, 0);
    w.pass(24h);
    EXPECT_EQ(h.admin->call(identify(nvme::cns::controller)).status(), sc::success);
}

TEST_F(keep_alive, set_features_starts_it_anew) {
    host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
    w.pass(8s);
    h.admin->call(set_features(nvme::fid::keep_alive_timer, 30000));
    w.pass(29s);
    EXPECT_FALSE(h.admin->closed);
    w.pass(1100ms);
    EXPECT_TRUE(all_closed(h));
}

TEST_F(keep_alive, a_discovery_controller_without_kato_lasts_two_minutes_beyond_the_last_command) {
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn), 0);
    for (int i = 0; i < 3; ++i) {
        w.pass(119s);
        EXPECT_FALSE(d.admin->closed);
        d.admin->call(get_log_page(nvme::lid::discovery, 1024));
    }
    w.pass(121s);
    EXPECT_TRUE(d.admin->closed);
}

TEST_F(keep_alive, a_persistent_discovery_controller_is_as_any_other) {
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn), 30000);
    for (int i = 0; i < 20; ++i) {
        w.pass(29s);
        d.admin->call(beat());
    }
    EXPECT_FALSE(d.admin->closed);
    w.pass(20s);
    d.admin->call(get_log_page(nvme::lid::discovery, 1024));
    w.pass(11s);
    EXPECT_TRUE(d.admin->closed);
}

TEST_F(keep_alive, is_answered_while_the_control_reactor_is_busy) {
    // The admin queue is on another core than control; control stands still for a minute.
    host h = w.make_host(host_a, 0, subsystem_nqn, 10000);
    connection* admin_queue = h.admin;
    while (&admin_queue->home == &w.sim.group().control()) {
        h = w.make_host(host_a, 0, subsystem_nqn, 10000);
        admin_queue = h.admin;
    }
    auto& hung = h.admin->send(identify(nvme::cns::controller));
    auto& beat_answer = h.admin->send(beat());
    for (int i = 0; i < 10; ++i)
        admin_queue->home.turn();
    EXPECT_FALSE(hung.answered);
    EXPECT_TRUE(beat_answer.answered);
}

TEST_F(keep_alive, a_core_that_was_held_up_gets_to_read_its_queue_first) {
    // The beat lies unread in the admin queue when the time is up: its core has not turned since.
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        nvmf_fixture v(seed);
        v.make_subsystem();
        host h = v.make_host(host_a, 0, subsystem_nqn, 10000);
        v.pass(9999ms);
        struct : core::poller {
            connection* c = nullptr;
            int polls = 0;
            unsigned poll(unsigned) noexcept override {
                // What a transport's poller finds: a command that had come in time.
                if (polls++ == 0)
                    c->send(admin(nvme::admin_opcode::keep_alive));
                return polls == 1;
            }
        } unread;
        unread.c = h.admin;
        core::poller_registration registration(h.admin->home, "unread", unread);
        v.pass(2s);
        EXPECT_FALSE(h.admin->closed) << seed;
        registration.reset();
    }
}

nvme::cc enabled() {
    return nvme::cc().set_iosqes(6).set_iocqes(4).set_en(true);
}

/// How a host leaves the time in which the Keep Alive Timer is active.
struct inactivity {
    const char* sentence;
    nvme::cc value;
};
const inactivity inactivities[] = {
    {"it resets its controller", nvme::cc()},
    {"it shuts its controller down", enabled().set_shn(nvme::cc::shutdown::normal)},
};

TEST_F(keep_alive, does_not_run_while_a_controller_is_disabled_or_shut_down) {
    for (const inactivity& i : inactivities) {
        SCOPED_TRACE(i.sentence);
        host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
        w.pass(9s);
        h.admin->call(property_set(nvme::property::cc, i.value.value));
        // As a host does while it waits for CSTS; so long as CAP.TO has it, and beyond.
        for (int s = 0; s < 40; ++s) {
            w.pass(1s);
            h.csts();
        }
        ASSERT_FALSE(h.admin->closed);
        w.pass(29s);
        EXPECT_FALSE(h.admin->closed) << "twice CAP.TO";
        w.pass(2s);
        EXPECT_TRUE(h.admin->closed) << "without a sign of life it ends";
        EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    }
}

TEST_F(keep_alive, a_controller_whose_io_hangs_is_not_cut_off_during_its_reset) {
    auto disk = w.make_faulty("disk");
    w.add(s, "disk");
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
    h.queues[0]->send(io(nvme::io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    h.admin->call(property_set(nvme::property::cc, 0));
    for (int s = 0; s < 15; ++s) {
        w.pass(1s);
        EXPECT_TRUE(h.csts().rdy());
    }
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    EXPECT_FALSE(h.csts().rdy());
    EXPECT_FALSE(h.admin->closed);
}

TEST_F(keep_alive, begins_anew_when_a_controller_is_enabled_again) {
    host h = w.make_host(host_a, 0, subsystem_nqn, 10000);
    w.pass(9s);
    h.admin->call(property_set(nvme::property::cc, 0));
    w.pass(9s);
    w.enable(h);
    for (int i = 0; i < 9; ++i) {
        w.pass(1s);
        h.admin->call(identify(nvme::cns::controller));
    }
    EXPECT_FALSE(h.admin->closed);
    w.pass(1100ms);
    EXPECT_TRUE(h.admin->closed) << "and only Keep Alive counts again";
}

TEST_F(keep_alive, is_answered_during_a_shutdown) {
    host h = w.make_host(host_a, 0, subsystem_nqn, 10000);
    h.admin->call(property_set(nvme::property::cc, enabled().set_shn(nvme::cc::shutdown::normal).value));
    EXPECT_EQ(h.admin->call(beat()).status(), sc::success);
}

TEST_F(keep_alive, a_host_that_never_enables_its_controller_does_not_stay) {
    for (const std::uint32_t kato_ms : {0u, 10000u, 60000u}) {
        SCOPED_TRACE(kato_ms);
        auto& c = w.connect_to(1);
        c.call(connect(0, 31, kato_ms), raw(connect_data(subsystem_nqn, host_a)));
        w.pass(std::max(30s, std::chrono::seconds(kato_ms / 1000)) - 1s);
        EXPECT_FALSE(c.closed);
        w.pass(2s);
        EXPECT_TRUE(c.closed);
    }
}

TEST_F(keep_alive, io_hung_in_a_device_holds_nothing_up) {
    auto disk = w.make_faulty("disk");
    w.add(s, "disk");
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    host h = w.make_host(host_a, 1, subsystem_nqn, 10000);
    auto& stuck = h.queues[0]->send(io(nvme::io_opcode::write, 1), filled(512, 1));
    for (int i = 0; i < 10; ++i) {
        w.pass(5s);
        EXPECT_EQ(h.admin->call(beat()).status(), sc::success);
    }
    EXPECT_FALSE(stuck.answered);
    w.pass(11s);
    EXPECT_TRUE(all_closed(h));
    EXPECT_TRUE(s.controllers().all().empty());
    EXPECT_FALSE(h.queues[0]->gone) << "its buffer is still the device's";
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
}

}  // namespace
}  // namespace causeway::nvmf::test
