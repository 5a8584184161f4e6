// SPDX-License-Identifier: Apache-2.0
// The discovery subsystem under a name of its own (TP 8013), beside the well-known one.

#include "nvmf/testing/dhchap_host.h"
#include "nvmf/testing/target_fixture.h"

#include "nvme/authentication.h"
#include "nvme/discovery.h"
#include "nvme/identify.h"
#include "nvme/nqn.h"
#include "nvme/text.h"

namespace causeway::nvmf::test {
namespace {

const std::string well_known(nvme::discovery_nqn);
const std::string unique = "nqn.2024-01.io.example:discovery-1";

class unique_discovery : public testing::Test {
  protected:
    status connect_by(const std::string& subnqn, const std::string& hostnqn = host_a) {
        return w.connect_to(0).call(connect(0), raw(connect_data(subnqn, hostnqn))).status();
    }

    nvmf_fixture w{1, 2, {.discovery_nqn = unique}};
};

TEST_F(unique_discovery, is_what_identify_and_the_log_say_whichever_name_the_host_used) {
    w.make_subsystem();
    EXPECT_TRUE(w.run(w.target.discovery().listeners().add(here)));
    EXPECT_TRUE(w.run(w.target.discovery().listeners().add(elsewhere)));
    for (const std::string& name : {well_known, unique}) {
        SCOPED_TRACE(name);
        host d = w.make_host(host_a, 0, name);
        const auto id = d.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
        EXPECT_EQ(std::string(id.subnqn), unique);
        EXPECT_EQ(id.cntrltype, 2u);
        const auto entry = [&](std::uint64_t n) {
            return d.admin->call(get_log_page(nvme::lid::discovery, 1024, n * 1024)).page<nvme::discovery_log_entry>();
        };
        for (const std::uint64_t n : {1, 2}) {  // itself where the host asks, and elsewhere
            EXPECT_EQ(entry(n).subtype, 3u);
            EXPECT_EQ(std::string(entry(n).subnqn), unique);
        }
        EXPECT_EQ(entry(3).subtype, 2u);
        EXPECT_EQ(std::string(entry(3).subnqn), subsystem_nqn);
    }
}

TEST_F(unique_discovery, is_no_name_without_an_operator) {
    nvmf_fixture plain;
    host d = plain.make_host(host_a, 0, well_known);
    const auto id = d.admin->call(identify(nvme::cns::controller)).page<nvme::identify_controller>();
    EXPECT_EQ(std::string(id.subnqn), well_known);
    EXPECT_EQ(plain.connect_to(0).call(connect(0), raw(connect_data(unique, host_a))).status(),
              sc::connect_invalid_parameters);
}

TEST_F(unique_discovery, obeys_the_same_list_of_hosts_by_both_names) {
    subsystem& d = w.target.discovery();
    w.run(d.access().set_allow_any_host(false));
    w.at_control([&] { EXPECT_TRUE(d.access().add_host(host_a)); });
    for (const std::string& name : {well_known, unique}) {
        EXPECT_EQ(connect_by(name, host_a), sc::success) << name;
        EXPECT_TRUE(connect_by(name, host_b).is(sc::connect_invalid_host)) << name;
    }
}

TEST_F(unique_discovery, is_not_free_for_another_subsystem) {
    const auto code = [&](const std::string& nqn) {
        subsystem_options o;
        o.nqn = nqn;
        const auto made = w.run(w.target.create_subsystem(o));
        return made ? 0 : made.error().code;
    };
    EXPECT_EQ(code(unique), EEXIST);
    EXPECT_TRUE(w.run(w.target.delete_subsystem(well_known)));
    EXPECT_EQ(code(unique), EINVAL) << "it is there again after a restart";
    EXPECT_EQ(connect_by(unique), sc::connect_invalid_parameters);
}

TEST_F(unique_discovery, transports_know_the_keys_of_hosts_by_both_names) {
    subsystem& d = w.target.discovery();
    const auto known = [&] {
        std::vector<std::string> of;
        for (const auto& [name, key] : w.fabric->admitted)
            of.push_back(name);
        return of;
    };
    w.at_control([&] { EXPECT_TRUE(d.access().add_host(host_a, {.psk = make_key("a key")})); });
    EXPECT_EQ(known(), (std::vector{host_a + " " + well_known, host_a + " " + unique}));
    EXPECT_TRUE(w.run(d.access().remove_host(host_a)));
    EXPECT_EQ(known(), std::vector<std::string>());
}

TEST_F(unique_discovery, hosts_authenticate_for_the_name_that_they_used) {
    subsystem& d = w.target.discovery();
    EXPECT_TRUE(w.run(d.listeners().add(here)));
    w.at_control([&] { EXPECT_TRUE(d.access().add_host(host_a, {.dhchap = make_key(key_of_a)})); });
    for (const std::string& name : {well_known, unique})
        for (const std::string& computed_for : {well_known, unique}) {
            SCOPED_TRACE(name + " " + computed_for);
            connection& c = w.connect_to(0);
            EXPECT_EQ(c.call(connect(0), raw(connect_data(name, host_a))).status(), sc::success);
            const auto send = [&](const auth::bytes& m) -> const capsule& {
                const auto view = std::as_bytes(std::span(m));
                return c.call(auth_send_of(m.size()), bytes(view.begin(), view.end()));
            };
            const auto receive = [&] {
                const bytes& got = c.call_for(auth_receive_of(4096), 4096).data;
                auth::bytes m(got.size());
                std::memcpy(m.data(), got.data(), got.size());
                return m;
            };
            dhchap_host proof{host_a, computed_for};
            send(proof.negotiate());
            send(proof.reply(receive()));
            receive();
            w.pass(std::chrono::milliseconds(1));
            EXPECT_EQ(c.closed.has_value(), name != computed_for);
        }
}

}  // namespace
}  // namespace causeway::nvmf::test
