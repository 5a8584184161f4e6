// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::lid;

constexpr std::uint32_t namespace_notices = 0x100;
constexpr std::uint32_t namespace_changed_dw0 = 0x00040002;  // log page 04h, information 00h, type 2h
constexpr std::uint32_t discovery_changed_dw0 = 0x0070f002;  // log page 70h, information F0h, type 2h

class async_events : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    host h = w.make_host(host_a, 0);
    unsigned disks = 0;

    capsule& ask(host& of) { return of.admin->send(nvmf::test::admin(nvme::admin_opcode::async_event_request)); }
    capsule& ask() { return ask(h); }
    void listen(std::uint32_t bits) { h.admin->call(set_features(nvme::fid::async_event_configuration, bits)); }
    std::uint32_t change() {
        const std::string name = "disk" + std::to_string(disks++);
        w.make_memory(name);
        return w.add(s, name);
    }
    std::vector<std::uint32_t> changed(bool rae = false) {
        const auto list =
            h.admin->call(get_log_page(lid::changed_namespace_list, 4096, 0, rae)).page<nvme::changed_namespace_list>();
        std::vector<std::uint32_t> found;
        for (const std::uint32_t nsid : list.nsid)
            if (nsid)
                found.push_back(nsid);
        return found;
    }
    void settle() { w.pass(std::chrono::milliseconds(1)); }
};

TEST_F(async_events, tell_of_a_namespace_once_until_its_page_is_read) {
    listen(namespace_notices);
    auto& first = ask();
    auto& second = ask();
    settle();
    EXPECT_FALSE(first.answered);
    const std::uint32_t one = change();
    EXPECT_TRUE(w.until([&] { return first.answered; }));
    EXPECT_EQ(first.status(), sc::success);
    EXPECT_EQ(first.dw0(), namespace_changed_dw0);
    const std::uint32_t two = change();
    settle();
    EXPECT_FALSE(second.answered) << "the host knows that it has to look";
    EXPECT_EQ(changed(), (std::vector{one, two}));
    EXPECT_EQ(changed(), std::vector<std::uint32_t>());
    settle();
    EXPECT_FALSE(second.answered) << "what the host has read is not told again";
    const std::uint32_t three = change();
    EXPECT_TRUE(w.until([&] { return second.answered; }));
    EXPECT_EQ(changed(), std::vector{three});
}

TEST_F(async_events, retained_stay_unarmed_and_their_list_stays_whole) {
    listen(namespace_notices);
    auto& first = ask();
    auto& second = ask();
    const std::uint32_t one = change();
    EXPECT_TRUE(w.until([&] { return first.answered; }));
    EXPECT_EQ(changed(true), std::vector{one});
    EXPECT_EQ(changed(true), std::vector{one});
    change();
    settle();
    EXPECT_FALSE(second.answered);
}

TEST_F(async_events, another_page_does_not_rearm_them) {
    listen(namespace_notices);
    auto& first = ask();
    auto& second = ask();
    change();
    EXPECT_TRUE(w.until([&] { return first.answered; }));
    h.admin->call(get_log_page(lid::smart, 512));
    change();
    settle();
    EXPECT_FALSE(second.answered);
}

TEST_F(async_events, wait_for_a_request_if_there_is_none) {
    listen(namespace_notices);
    change();
    settle();
    auto& late = ask();
    EXPECT_TRUE(w.until([&] { return late.answered; }));
    EXPECT_EQ(late.dw0(), namespace_changed_dw0);
}

TEST_F(async_events, that_are_disabled_before_there_is_a_request_are_not_sent) {
    listen(namespace_notices);
    const std::uint32_t nsid = change();
    listen(0);
    auto& request = ask();
    settle();
    EXPECT_FALSE(request.answered);
    listen(namespace_notices);
    settle();
    EXPECT_FALSE(request.answered) << "what was dropped does not come back";
    EXPECT_EQ(changed(), std::vector{nsid}) << "but the page has it";
    change();
    EXPECT_TRUE(w.until([&] { return request.answered; })) << "and the next change is an event again";
}

TEST_F(async_events, that_are_disabled_do_not_take_others_along) {
    host d = w.make_host(host_b, 0, std::string(nvme::discovery_nqn));
    d.admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
    EXPECT_TRUE(w.run(s.listeners().add(elsewhere)));
    settle();
    d.admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));  // again, and nothing changes
    auto& request = ask(d);
    EXPECT_TRUE(w.until([&] { return request.answered; }));
    d.admin->call(get_log_page(lid::discovery, 1024));
    EXPECT_TRUE(w.run(s.listeners().remove(elsewhere)));
    settle();
    d.admin->call(set_features(nvme::fid::async_event_configuration, 0));
    auto& none = ask(d);
    settle();
    EXPECT_FALSE(none.answered);
}

TEST_F(async_events, that_nobody_asked_for_are_only_listed) {
    auto& request = ask();
    const std::uint32_t nsid = change();
    settle();
    EXPECT_FALSE(request.answered);
    EXPECT_EQ(changed(), std::vector{nsid});
}

TEST_F(async_events, have_four_requests_at_most) {
    std::vector<capsule*> waiting;
    for (int i = 0; i < 4; ++i)
        waiting.push_back(&ask());
    auto& fifth = ask();
    EXPECT_TRUE(w.until([&] { return fifth.answered; }));
    EXPECT_TRUE(fifth.status().is(sc::async_event_limit_exceeded));
    for (capsule* c : waiting)
        EXPECT_FALSE(c->answered);
    // One that is taken back makes room.
    h.admin->call(abort(0, waiting[1]->command.cid));
    EXPECT_TRUE(waiting[1]->status().is(sc::aborted_by_request));
    auto& again = ask();
    settle();
    EXPECT_FALSE(again.answered);
}

TEST_F(async_events, of_all_kinds_of_namespace_changes) {
    auto disk = w.make_memory("disk");
    w.add(s, "disk", 7);
    listen(namespace_notices);
    const auto expect_event = [&](const char* what) {
        SCOPED_TRACE(what);
        auto& request = ask();
        EXPECT_TRUE(w.until([&] { return request.answered; }));
        EXPECT_EQ(changed(), std::vector{7u});
    };
    changed();
    w.at_control([&] { disk->set_blocks(1000); });
    expect_event("shrinks");
    w.at_control([&] { disk->set_blocks(2048); });
    expect_event("grows");
    EXPECT_TRUE(w.run(s.namespaces().remove(7)));
    expect_event("goes");
    w.add(s, "disk", 7);
    expect_event("comes back");
    EXPECT_TRUE(w.run(w.devices.remove("disk")));
    expect_event("loses its device");
}

TEST_F(async_events, too_many_changes_are_one_entry) {
    w.at_control([&] {
        auto& c = *s.controllers().all().begin()->second;
        for (std::uint32_t nsid = 1; nsid <= 1024; ++nsid)
            c.namespace_changed(nsid);
    });
    EXPECT_EQ(changed(true).size(), 1024u) << "a full page";
    w.at_control([&] { s.controllers().all().begin()->second->namespace_changed(1024); });
    EXPECT_EQ(changed(true).size(), 1024u) << "the same one again";
    w.at_control([&] { s.controllers().all().begin()->second->namespace_changed(1025); });
    EXPECT_EQ(changed(), std::vector{0xffffffffu});
    EXPECT_EQ(changed(), std::vector<std::uint32_t>());
    w.at_control([&] { s.controllers().all().begin()->second->namespace_changed(3); });
    EXPECT_EQ(changed(), std::vector{3u});
}

TEST_F(async_events, requests_come_back_when_the_connection_goes) {
    auto& a = ask();
    auto& b = ask();
    settle();
    h.admin->drop();
    EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    for (capsule* c : {&a, &b}) {
        EXPECT_EQ(c->answers, 1u);
        EXPECT_TRUE(c->status().is(sc::aborted_sq_deletion));
    }
}

TEST_F(async_events, requests_that_come_too_late_come_back_too) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        nvmf_fixture v(seed);
        v.make_subsystem();
        host g = v.make_host(host_a, 0);
        auto& late = g.admin->send(nvmf::test::admin(nvme::admin_opcode::async_event_request));
        v.at_control([&] { core::detach(v.target.delete_subsystem(subsystem_nqn), [](auto) {}); });
        EXPECT_TRUE(v.until([&] { return g.admin->gone; }));
        EXPECT_LE(late.answers, 1u);
    }
}

TEST_F(async_events, discovery_controllers_hear_of_every_change_of_the_log) {
    host d = w.make_host(host_b, 0, std::string(nvme::discovery_nqn));
    d.admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
    const auto expect_event = [&](const char* what, const std::function<void()>& change) {
        SCOPED_TRACE(what);
        auto& request = ask(d);
        settle();
        EXPECT_FALSE(request.answered);
        change();
        EXPECT_TRUE(w.until([&] { return request.answered; }));
        EXPECT_EQ(request.dw0(), discovery_changed_dw0);
        d.admin->call(get_log_page(lid::discovery, 1024));
    };
    expect_event("a listener comes", [&] { EXPECT_TRUE(w.run(s.listeners().add(elsewhere))); });
    expect_event("a listener goes", [&] { EXPECT_TRUE(w.run(s.listeners().remove(elsewhere))); });
    expect_event("hosts are shut out", [&] { w.run(s.access().set_allow_any_host(false)); });
    expect_event("a host is let in", [&] { EXPECT_TRUE(s.access().add_host(host_b)); });
    expect_event("a host is shut out", [&] { EXPECT_TRUE(w.run(s.access().remove_host(host_b))); });
    d.admin->call(get_log_page(lid::discovery, 1024));
    EXPECT_TRUE(s.access().add_host(host_b));
    settle();
    d.admin->call(get_log_page(lid::discovery, 1024));
    expect_event("a subsystem goes", [&] { EXPECT_TRUE(w.run(w.target.delete_subsystem(subsystem_nqn))); });
}

}  // namespace
}  // namespace causeway::nvmf::test
