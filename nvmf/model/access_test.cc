// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/dhchap_host.h"
#include "nvmf/testing/subsystem_fixture.h"

namespace causeway::nvmf::test {
namespace {

using access_control = subsystem_control;

TEST_F(access_control, hosts_come_onto_the_list_and_off_it) {
    w.run(s.access().set_allow_any_host(false));
    EXPECT_FALSE(admitted(host_a));
    EXPECT_EQ(code(s.access().add_host(host_a)), 0);
    EXPECT_EQ(code(s.access().add_host(host_a)), EEXIST);
    EXPECT_EQ(code(s.access().add_host("")), EINVAL);
    EXPECT_EQ(code(s.access().add_host("some\nbody")), EINVAL);
    EXPECT_EQ(code(s.access().add_host(std::string(224, 'n'))), EINVAL);
    EXPECT_TRUE(admitted(host_a));
    EXPECT_FALSE(admitted(host_b));
    EXPECT_EQ(code(w.run(s.access().remove_host(host_b))), ENOENT);
    EXPECT_EQ(code(w.run(s.access().remove_host(host_a))), 0);
    EXPECT_FALSE(admitted(host_a));
}

TEST_F(access_control, a_name_that_may_connect_where_any_host_may_can_be_on_a_list) {
    for (const std::string nqn :
         {"nqn.2014-08.org.nvmexpress", "iqn.2016-06.io.spdk:host", "me", "nqn.2024-01.io.example:h"}) {
        SCOPED_TRACE(nqn);
        w.run(s.access().set_allow_any_host(true));
        EXPECT_TRUE(admitted(nqn));
        w.run(s.access().set_allow_any_host(false));
        EXPECT_FALSE(admitted(nqn));
        EXPECT_TRUE(s.access().add_host(nqn));
        EXPECT_TRUE(admitted(nqn));
    }
}

TEST_F(access_control, a_host_without_a_name_is_let_in_where_any_host_is) {
    EXPECT_TRUE(admitted("")) << "the perf tool of the established target is one";
    w.run(s.access().set_allow_any_host(false));
    EXPECT_FALSE(admitted(""));
    EXPECT_TRUE(s.controllers().all().empty());
}

TEST_F(access_control, transports_learn_the_keys_of_hosts_and_forget_them) {
    using keys = std::map<std::string, std::string>;
    EXPECT_EQ(code(s.access().add_host(host_a, {.psk = make_key("a key")})), 0);
    EXPECT_EQ(code(s.access().add_host(host_b, {.psk = make_key("no key")})), EINVAL);
    EXPECT_FALSE(s.access().hosts().contains(host_b)) << "a transport has refused its key";
    EXPECT_EQ(code(s.access().add_host(host_b)), 0);
    EXPECT_EQ(w.fabric->admitted, (keys{{host_a + " " + subsystem_nqn, "a key"}}));
    EXPECT_EQ(code(w.run(s.access().remove_host(host_a))), 0);
    EXPECT_TRUE(w.fabric->admitted.empty());

    EXPECT_EQ(code(s.access().add_host(host_a, {.psk = make_key("another key")})), 0);
    EXPECT_EQ(w.fabric->admitted, (keys{{host_a + " " + subsystem_nqn, "another key"}}));
    EXPECT_EQ(code(w.run(w.target.delete_subsystem(subsystem_nqn))), 0);
    EXPECT_TRUE(w.fabric->admitted.empty());
}

TEST_F(access_control, a_transport_that_comes_later_learns_the_keys_that_are_there) {
    bdev::registry devices(w.sim.group());
    target other(w.homes, devices);
    const auto made = w.run(other.create_subsystem({.nqn = subsystem_nqn}));
    ASSERT_TRUE(made);
    EXPECT_EQ(code((*made)->access().add_host(host_a, {.psk = make_key("a key")})), 0);
    EXPECT_EQ(code((*made)->access().add_host(host_b, {.psk = make_key("no key")})), 0) << "nobody has looked at it";
    auto fabric = std::make_unique<fake_transport>();
    const auto& admitted = fabric->admitted;
    EXPECT_EQ(code(other.add_transport(std::move(fabric))), 0);
    EXPECT_EQ(admitted, (std::map<std::string, std::string>{{host_a + " " + subsystem_nqn, "a key"}}));
    EXPECT_EQ(code(w.run(other.delete_subsystem(subsystem_nqn))), 0);
    EXPECT_TRUE(admitted.empty());
}

TEST_F(access_control, a_host_that_is_removed_loses_its_connections_and_others_keep_theirs) {
    EXPECT_TRUE(s.access().add_host(host_a));
    EXPECT_TRUE(s.access().add_host(host_b));
    w.run(s.access().set_allow_any_host(false));
    host a = w.make_host(host_a, 2);
    host a2 = w.make_host(host_a, 1);
    host b = w.make_host(host_b, 1);
    EXPECT_TRUE(w.run(s.access().remove_host(host_a)));
    for (connection* c : {a.admin, a.queues[0], a.queues[1], a2.admin, a2.queues[0]})
        EXPECT_EQ(c->closed, disconnect_reason::host_removed);
    EXPECT_EQ(s.controllers().all().size(), 1u);
    EXPECT_FALSE(b.admin->closed);
    EXPECT_EQ(b.admin->call(identify(nvme::cns::controller)).status(), sc::success);
}

TEST_F(access_control, the_list_means_nothing_while_any_host_is_allowed) {
    EXPECT_TRUE(s.access().add_host(host_a));
    host a = w.make_host(host_a, 1);
    host b = w.make_host(host_b, 1);
    EXPECT_TRUE(w.run(s.access().remove_host(host_a)));
    EXPECT_FALSE(a.admin->closed);
    EXPECT_TRUE(s.access().add_host(host_a));
    w.run(s.access().set_allow_any_host(false));
    EXPECT_FALSE(a.admin->closed);
    EXPECT_EQ(b.admin->closed, disconnect_reason::host_removed) << "it was never on the list";
    EXPECT_EQ(b.queues[0]->closed, disconnect_reason::host_removed);
}

}  // namespace
}  // namespace causeway::nvmf::test
