// SPDX-License-Identifier: Apache-2.0
// A thousand hosts that ask for the discovery log at once, and everybody else on the control core: by turns and by
// counted work, not by time.

#include "nvme/discovery.h"

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

constexpr unsigned subsystems = 1000;
constexpr unsigned hosts = 200;

/// Looks at the control reactor in each of its turns.
struct turn_meter final : core::poller {
    turn_meter(core::reactor& control, const discovery_log& log)
        : control(control), log(log), registered(control, "turn_meter", *this) {}

    unsigned poll(unsigned) noexcept override {
        const std::uint64_t pages = log.pages_built();
        max_pages = std::max(max_pages, pages - last_pages);
        last_pages = pages;
        max_us = std::max(max_us, control.background_spent());
        return 0;
    }

    core::reactor& control;
    const discovery_log& log;
    std::uint64_t last_pages = log.pages_built(), max_pages = 0;
    unsigned max_us = 0;
    core::poller_registration registered;
};

class control_core : public testing::Test {
  protected:
    nvmf_fixture w{1, 2, {.discovery = {.per_address = hosts}}};
    core::reactor& control = w.sim.group().control();
    std::vector<host> readers;

    void fill() {
        w.at_control([&] {
            for (unsigned i = 0; i < subsystems; ++i) {
                subsystem_options o;
                o.nqn = "nqn.2024-01.io.example:n" + std::to_string(i);
                o.allow_any_host = true;
                core::detach([](nvmf_fixture& w, subsystem_options o) -> core::task<> {
                    auto made = co_await w.target.create_subsystem(std::move(o));
                    EXPECT_TRUE(co_await (*made)->listeners().add(here));
                }(w, std::move(o)));
            }
        });
        EXPECT_TRUE(w.until([&] {
            return std::all_of(w.target.subsystems().begin(), w.target.subsystems().end(),
                               [](auto& s) { return s->is_discovery() || !s->listeners().all().empty(); });
        }));
        for (unsigned i = 0; i < hosts; ++i)
            readers.push_back(
                w.make_host("nqn.2024-01.io.example:h" + std::to_string(i), 0, std::string(nvme::discovery_nqn)));
    }
};

TEST_F(control_core, a_change_of_the_discovery_log_is_read_by_all_hosts_a_little_in_each_turn) {
    fill();
    std::vector<capsule*> events;
    for (host& h : readers) {
        h.admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
        events.push_back(&h.admin->send(admin(nvme::admin_opcode::async_event_request)));
    }
    const std::uint64_t built = w.target.discovery_log().pages_built();
    turn_meter meter(control, w.target.discovery_log());
    w.at_control([&] { core::detach(w.target.subsystems().back()->listeners().add(elsewhere), [](auto) {}); });
    EXPECT_TRUE(
        w.until([&] { return std::all_of(events.begin(), events.end(), [](auto* e) { return e->answered; }); }));
    std::vector<const capsule*> pages;
    for (host& h : readers)
        for (std::uint32_t at = 0; at < 16384; at += 4096)
            pages.push_back(&h.admin->send(get_log_page(nvme::lid::discovery, 4096, at)));
    EXPECT_TRUE(w.until([&] { return std::all_of(pages.begin(), pages.end(), [](auto* p) { return p->answered; }); }));
    for (const capsule* p : pages)
        EXPECT_EQ(p->status(), sc::success);
    EXPECT_EQ(w.target.discovery_log().pages_built() - built, hosts) << "one each, not one for each part";
    EXPECT_LE(meter.max_pages, 2u) << "in a turn";
    EXPECT_LE(meter.max_us, 2 * control.options().background_budget);
}

TEST_F(control_core, who_is_not_asking_does_not_wait_behind_those_who_are) {
    fill();
    w.make_subsystem();
    host other = w.make_host(host_a, 0);
    while (&other.admin->home == &control)
        other = w.make_host(host_a, 0);
    std::vector<const capsule*> pages;
    for (host& h : readers)
        for (int i = 0; i < 8 && &h.admin->home != &control; ++i)
            pages.push_back(&h.admin->send(get_log_page(nvme::lid::discovery, 4096)));
    // All of them are in, and few have been answered.
    for (int i = 0; i < 20; ++i)
        w.sim[1].turn();
    const auto waiting = [&] {
        return std::count_if(pages.begin(), pages.end(), [](auto* p) { return !p->answered; });
    };
    EXPECT_GT(waiting(), hosts);
    // A message, as a disk's completion is one: in the very next turns, though all that was asked before still waits.
    bool delivered = false;
    control.execute([&] { delivered = true; });
    for (int i = 0; i < 2 && !delivered; ++i)
        control.turn();
    EXPECT_TRUE(delivered);
    EXPECT_GT(waiting(), hosts);
    // And Keep Alive does not come here at all.
    auto& beat = other.admin->send(admin(nvme::admin_opcode::keep_alive));
    for (int i = 0; i < 20 && !beat.answered; ++i)
        other.admin->home.turn();
    EXPECT_TRUE(beat.answered);
    EXPECT_GT(waiting(), hosts);
}

/// Hosts of one address that want much of the control reactor, and one of another address that wants little.
class control_core_turns : public testing::Test {
  protected:
    nvmf_fixture w{1, 2};
    core::reactor& control = w.sim.group().control();

    control_core_turns() { w.make_subsystem(); }

    /// A connection that does not live on the control reactor: what it asks arrives there as from anywhere.
    connection& connect_from(std::string address) {
        w.hosts_come_from = std::move(address);
        return w.connect_to(1);
    }
    connection& enabled_from(std::string address) {
        connection& c = connect_from(std::move(address));
        c.call(connect(0), raw(connect_data(subsystem_nqn, host_a)));
        host h;
        h.admin = &c;
        w.enable(h);
        return c;
    }
    /// Turns of the control reactor until it is answered.
    unsigned turns_until_answered(const capsule& c) {
        unsigned turns = 0;
        while (!c.answered && turns < 100) {
            w.sim[1].turn();  // sends what is asked, takes what is answered
            control.turn();
            ++turns;
        }
        return turns;
    }
    static std::size_t unanswered(const std::vector<const capsule*>& all) {
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](auto* c) { return !c->answered; }));
    }
    void all_arrive() {
        for (int i = 0; i < 20; ++i)
            w.sim[1].turn();
    }
};

TEST_F(control_core_turns, who_asks_little_waits_for_one_of_the_others_at_a_time) {
    std::vector<connection*> many;
    for (int hosts = 0; hosts < 8; ++hosts)
        many.push_back(&enabled_from("10.0.0.99"));
    connection& far = enabled_from("10.0.0.7");
    connection& near = enabled_from("10.0.0.99");
    std::vector<const capsule*> flood;
    for (connection* c : many)
        for (int i = 0; i < 30; ++i)
            flood.push_back(&c->send(identify(nvme::cns::controller), bytes(4096)));
    all_arrive();
    const auto& of_another_address = far.send(identify(nvme::cns::controller), bytes(4096));
    const auto& of_the_same = near.send(identify(nvme::cns::controller), bytes(4096));
    EXPECT_LE(turns_until_answered(of_another_address), 2u) << "one to run it, one to bring the answer";
    EXPECT_TRUE(of_the_same.answered);
    EXPECT_GT(unanswered(flood), 90u) << "it went before these";
    EXPECT_TRUE(w.until([&] { return unanswered(flood) == 0; }));
}

TEST_F(control_core_turns, strangers_of_one_address_have_one_turn_however_many_they_are) {
    std::vector<const capsule*> strangers;
    for (int i = 0; i < 200; ++i)
        strangers.push_back(&connect_from("10.0.0.99").send(connect(0), raw(connect_data(subsystem_nqn, host_b))));
    all_arrive();
    const auto& other = connect_from("10.0.0.7").send(connect(0), raw(connect_data(subsystem_nqn, host_a)));
    EXPECT_LE(turns_until_answered(other), 3u) << "all before it would take 28";
    EXPECT_GT(unanswered(strangers), 150u);
    EXPECT_TRUE(w.until([&] { return unanswered(strangers) == 0; }));
}

TEST_F(control_core_turns, an_address_is_known_while_somebody_is_connected_from_there) {
    const host_addresses& known = w.target.addresses_of_hosts();
    connection& one = enabled_from("10.0.0.7");
    connection& two = enabled_from("10.0.0.7");
    connection& refused = connect_from("10.0.0.8");
    EXPECT_NE(refused.call(connect(0), raw(connect_data("nqn.2024-01.io.example:none", host_a))).status(), sc::success);
    EXPECT_EQ(known.size(), 1u);
    one.drop();
    EXPECT_TRUE(w.until([&] { return one.gone; }));
    EXPECT_EQ(known.size(), 1u);
    EXPECT_EQ(refused.call(connect(0), raw(connect_data(subsystem_nqn, host_a))).status(), sc::success) << "at last";
    EXPECT_EQ(known.size(), 2u);
    two.drop();
    refused.drop();
    EXPECT_TRUE(w.until([&] { return two.gone && refused.gone; }));
    EXPECT_EQ(known.size(), 0u);
}

}  // namespace
}  // namespace causeway::nvmf::test
