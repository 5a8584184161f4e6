// SPDX-License-Identifier: Apache-2.0
// By which port a host comes in, and what it has to have proved there.

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

const std::string other_nqn = "nqn.2024-01.io.example:other";
const transport_address any_v4{"FAKE", "IPv4", "0.0.0.0", "4420"};
const transport_address any_v6{"FAKE", "IPv6", "::", "4420"};
const transport_address local_v6{"FAKE", "IPv6", "::1", "4420"};
constexpr listen_options secured{.secure_channel = true};

std::shared_ptr<const key> make_key(std::string_view text = "a key") {
    return std::make_shared<const key>(key{"name", "/path", core::secret(text.begin(), text.end())});
}

class ports : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = make("nqn.2024-01.io.example:disks");

    subsystem& make(std::string nqn) {
        subsystem_options o;
        o.nqn = std::move(nqn);
        o.allow_any_host = true;
        return **w.run(w.target.create_subsystem(o));
    }
    /// Connects the admin queue of host_a.
    capsule& connect_at(const transport_address& at, const std::string& subnqn = subsystem_nqn, bool proves = false) {
        return connect_on(w.connect_to(0, at), subnqn, proves);
    }
    capsule& connect_on(connection& c, const std::string& subnqn = subsystem_nqn, bool proves = false) {
        if (proves)
            c.proves = host_a + " " + subnqn;
        return c.call(connect(0), raw(connect_data(subnqn, host_a)));
    }
    static bool not_here(const capsule& c) { return c.status().is(sc::connect_invalid_parameters); }
    static bool not_you(const capsule& c) { return c.status().is(sc::connect_invalid_host); }
};

TEST_F(ports, a_wildcard_is_every_address_of_its_family_and_no_other_port) {
    auto& plain = make(other_nqn);
    ASSERT_TRUE(w.run(s.listeners().add(any_v4, secured)));
    ASSERT_TRUE(w.run(plain.listeners().add(local_v6)));
    EXPECT_TRUE(not_here(connect_at(local_v6))) << "the other subsystem's port, without a secure channel";
    EXPECT_TRUE(connect_at(local_v6, other_nqn).status().ok());
    EXPECT_TRUE(connect_at(here, subsystem_nqn, true).status().ok());
    EXPECT_TRUE(not_here(connect_at(here, other_nqn, true)));
}

TEST_F(ports, wildcards_of_both_families_are_two) {
    auto& plain = make(other_nqn);
    ASSERT_TRUE(w.run(s.listeners().add(any_v4, secured)));
    ASSERT_TRUE(w.run(plain.listeners().add(any_v6)));
    EXPECT_TRUE(not_here(connect_at(local_v6)));
    EXPECT_TRUE(not_here(connect_at(here, other_nqn, true)));
    ASSERT_TRUE(w.run(s.listeners().add(any_v6)));
    EXPECT_TRUE(connect_at(local_v6).status().ok());
}

TEST_F(ports, one_number_at_several_addresses_is_several) {
    auto& other = make(other_nqn);
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    ASSERT_TRUE(w.run(other.listeners().add(elsewhere)));
    EXPECT_TRUE(not_here(connect_at(elsewhere)));
    EXPECT_TRUE(not_here(connect_at(here, other_nqn, true)));
}

TEST_F(ports, a_connection_from_before_a_listener_was_secured_stays_outside) {
    ASSERT_TRUE(w.run(s.listeners().add(here)));
    connection& early = w.connect_to(0, here);
    connection& admitted = w.connect_to(1, here);
    EXPECT_TRUE(connect_on(admitted).status().ok());
    ASSERT_TRUE(w.run(s.listeners().remove(here)));
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    EXPECT_TRUE(not_here(connect_on(early)));
    EXPECT_EQ(admitted.closed, disconnect_reason::listener_removed);
}

TEST_F(ports, a_listener_that_is_removed_takes_the_hosts_that_came_by_it) {
    auto& other = make(other_nqn);
    for (subsystem* each : {&s, &other})
        ASSERT_TRUE(w.run(each->listeners().add(here)));
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere)));
    connection& leaving = *connect_at(here).of;
    connection& of_the_other_subsystem = *connect_at(here, other_nqn).of;
    connection& of_the_other_listener = *connect_at(elsewhere).of;
    ASSERT_TRUE(w.run(s.listeners().remove(here)));
    EXPECT_EQ(leaving.closed, disconnect_reason::listener_removed);
    EXPECT_TRUE(w.until([&] { return leaving.gone; }));
    EXPECT_FALSE(of_the_other_subsystem.closed);
    EXPECT_FALSE(of_the_other_listener.closed);
}

TEST_F(ports, where_a_secure_channel_is_required_nobody_comes_in_who_has_proved_nothing) {
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    EXPECT_TRUE(not_you(connect_at(here)));
    EXPECT_TRUE(connect_at(here, subsystem_nqn, true).status().ok());
}

TEST_F(ports, a_host_with_a_key_proves_it_everywhere) {
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere)));
    ASSERT_TRUE(s.access().add_host(host_a, {.psk = make_key()}));
    EXPECT_TRUE(not_you(connect_at(elsewhere))) << "anybody could call himself so, with any host allowed";
    EXPECT_TRUE(connect_at(here, subsystem_nqn, true).status().ok());
    w.run(s.access().set_allow_any_host(false));
    EXPECT_TRUE(not_you(connect_at(elsewhere)));
    EXPECT_TRUE(w.run(s.access().remove_host(host_a)));
    ASSERT_TRUE(s.access().add_host(host_a));
    EXPECT_TRUE(connect_at(elsewhere).status().ok()) << "a host without a key has nothing to prove";
}

TEST_F(ports, a_key_sends_away_who_is_here_under_the_name_without_it) {
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere)));
    connection& impostor = *connect_at(elsewhere).of;
    connection& proven = *connect_at(here, subsystem_nqn, true).of;
    ASSERT_TRUE(s.access().add_host(host_a, {.psk = make_key()}));
    EXPECT_TRUE(w.until([&] { return impostor.gone; }));
    EXPECT_EQ(impostor.closed, disconnect_reason::host_removed);
    EXPECT_FALSE(proven.closed);
}

TEST_F(ports, queues_of_a_controller_prove_the_same) {
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere)));
    host h;
    capsule& admitted = connect_at(here, subsystem_nqn, true);
    h.admin = admitted.of;
    w.enable(h);
    const bytes data = raw(connect_data(subsystem_nqn, host_a, static_cast<std::uint16_t>(admitted.dw0())));
    EXPECT_TRUE(not_you(w.connect_to(1, elsewhere).call(connect(1), data))) << "a stranger's queue";
    connection& good = w.connect_to(1, here);
    good.proves = h.admin->proves;
    EXPECT_TRUE(good.call(connect(1), data).status().ok());
}

TEST_F(ports, a_listener_that_comes_while_its_subsystem_is_deleted_takes_no_other_ones_port) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        nvmf_fixture v(seed);
        auto& a = v.make_subsystem();
        auto& b = v.make_subsystem(other_nqn);
        ASSERT_TRUE(v.run(b.listeners().add(elsewhere)));
        int ended = 0;
        v.at_control([&] {
            const auto done = [&](auto) { ++ended; };
            core::detach(a.listeners().add(elsewhere), done);
            core::detach(a.listeners().add(local_v6), done);
            core::detach(v.target.delete_subsystem(subsystem_nqn), done);
            core::detach(b.listeners().add(local_v6), done);
        });
        EXPECT_TRUE(v.until([&] { return ended == 4; }));
        EXPECT_EQ(v.fabric->listening.size(), 3u);
        for (const auto& at : {here, elsewhere, local_v6})
            EXPECT_TRUE(v.connect_to(0, at).call(connect(0), raw(connect_data(other_nqn, host_a))).status().ok());
        EXPECT_TRUE(v.run(v.target.delete_subsystem(other_nqn)));
        EXPECT_TRUE(v.fabric->listening.empty());
    }
}

TEST_F(ports, a_subsystem_made_again_keeps_its_hosts_keys_while_the_old_one_goes) {
    ASSERT_TRUE(w.run(s.listeners().add(here, secured)));
    ASSERT_TRUE(s.access().add_host(host_a, {.psk = make_key("old")}));
    bool deleted = false;
    w.at_control([&] {
        core::detach(w.target.delete_subsystem(subsystem_nqn), [&](auto) { deleted = true; });
        core::detach(w.target.create_subsystem({.nqn = subsystem_nqn}), [&](auto made) {
            ASSERT_TRUE(made);
            EXPECT_TRUE((*made)->access().add_host(host_a, {.psk = make_key("new")}));
        });
    });
    EXPECT_TRUE(w.until([&] { return deleted; }));
    EXPECT_EQ(w.fabric->admitted, (std::map<std::string, std::string>{{host_a + " " + subsystem_nqn, "new"}}));
}

TEST_F(ports, have_numbers_of_their_own) {
    std::vector<transport_address> all;
    for (const char* service : {"1", "2", "3"})
        all.push_back({"FAKE", "IPv4", "10.0.0.1", service});
    for (const auto& at : all)
        ASSERT_TRUE(w.run(s.listeners().add(at)));
    ASSERT_TRUE(w.run(s.listeners().remove(all[1])));
    ASSERT_TRUE(w.run(s.listeners().add(all[1])));
    std::vector<std::uint16_t> ids;
    for (const auto& l : s.listeners().all())
        ids.push_back(l->port.get()->id);
    EXPECT_EQ(ids, (std::vector<std::uint16_t>{1, 3, 4})) << "one that has gone is not used again at once";
}

}  // namespace
}  // namespace causeway::nvmf::test
