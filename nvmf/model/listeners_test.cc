// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/subsystem_fixture.h"

namespace causeway::nvmf::test {
namespace {

using listener_control = subsystem_control;

std::vector<transport_address> addresses(const subsystem& of) {
    std::vector<transport_address> all;
    for (const auto& l : of.listeners().all())
        all.push_back(l->at);
    return all;
}

TEST_F(listener_control, come_and_go) {
    EXPECT_EQ(code(w.run(s.listeners().add(here))), EEXIST);
    EXPECT_EQ(code(w.run(s.listeners().add({"RDMA", "IPv4", "10.0.0.1", "4420"}))), ENODEV);
    EXPECT_EQ(code(w.run(s.listeners().add({"FAKE", "IPv4", "in use", "4420"}))), EADDRINUSE);
    EXPECT_EQ(s.listeners().all().size(), 1u);
    EXPECT_EQ(code(w.run(s.listeners().remove(elsewhere))), ENOENT);
    EXPECT_EQ(code(w.run(s.listeners().add(elsewhere))), 0);
    EXPECT_EQ(w.fabric->listening, (std::vector{here, elsewhere}));
    host h = w.make_host(host_a, 1);
    EXPECT_EQ(code(w.run(s.listeners().remove(here))), 0);
    EXPECT_EQ(w.fabric->listening, std::vector{elsewhere});
    EXPECT_EQ(h.admin->closed, disconnect_reason::listener_removed);
    EXPECT_FALSE(admitted(host_a)) << "but no new one comes in there";
}

TEST_F(listener_control, subsystems_share_a_port_until_the_last_leaves_it) {
    auto& t = w.make_subsystem("nqn.2024-01.io.example:other");
    EXPECT_EQ(w.fabric->listening, std::vector{here});
    EXPECT_TRUE(w.run(s.listeners().remove(here)));
    EXPECT_EQ(w.fabric->listening, std::vector{here});
    EXPECT_TRUE(w.run(t.listeners().remove(here)));
    EXPECT_TRUE(w.fabric->listening.empty());
}

TEST_F(listener_control, subsystems_that_share_a_port_agree_on_its_secure_channel) {
    auto& t = w.make_subsystem("nqn.2024-01.io.example:other");
    ASSERT_TRUE(w.run(s.listeners().add(elsewhere, {.secure_channel = true})));
    EXPECT_EQ(code(w.run(t.listeners().add(elsewhere))), EINVAL);
    EXPECT_TRUE(w.run(t.listeners().add(elsewhere, {.secure_channel = true})));
    EXPECT_TRUE(w.run(t.listeners().remove(here)));
    EXPECT_EQ(code(w.run(t.listeners().add(here, {.secure_channel = true}))), EINVAL);
}

TEST_F(listener_control, a_transport_that_cannot_encrypt_is_not_asked_to) {
    w.fabric->secures = false;
    EXPECT_EQ(code(w.run(s.listeners().add(elsewhere, {.secure_channel = true}))), EINVAL);
    EXPECT_EQ(w.fabric->listening, std::vector{here});
}

TEST_F(listener_control, listeners_that_start_and_stop_at_once_end_up_right) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        nvmf_fixture v(seed);
        auto& a = v.make_subsystem();
        auto& b = v.make_subsystem("nqn.2024-01.io.example:other");
        int ended = 0;
        v.at_control([&] {
            const auto done = [&](auto) { ++ended; };
            core::detach(a.listeners().add(elsewhere), done);
            core::detach(b.listeners().add(elsewhere), done);
            core::detach(a.listeners().remove(elsewhere), done);
            core::detach(a.listeners().remove(here), done);
            core::detach(a.listeners().add(here), done);
            core::detach(b.listeners().remove(here), done);
        });
        EXPECT_TRUE(v.until([&] { return ended == 6; }));
        EXPECT_EQ(addresses(a), std::vector{here});
        EXPECT_EQ(addresses(b), std::vector{elsewhere});
        std::sort(v.fabric->listening.begin(), v.fabric->listening.end(),
                  [](auto& x, auto& y) { return x.traddr < y.traddr; });
        EXPECT_EQ(v.fabric->listening, (std::vector{here, elsewhere})) << seed;
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
