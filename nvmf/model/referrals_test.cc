// SPDX-License-Identifier: Apache-2.0
#include "nvme/discovery.h"

#include "nvme/text.h"
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

class referrals : public testing::Test {
  protected:
    int add(transport_address at, std::string subnqn = {}, bool secure = false) {
        int code = 0;
        w.at_control([&] {
            if (const auto added = w.target.referrals().add({std::move(at), std::move(subnqn), secure}); !added)
                code = added.error().code;
        });
        return code;
    }
    int remove(transport_address at, const std::string& subnqn = {}) {
        int code = 0;
        w.at_control([&] {
            if (const auto removed = w.target.referrals().remove(std::move(at), subnqn); !removed)
                code = removed.error().code;
        });
        return code;
    }
    /// The entries behind that of discovery itself.
    std::vector<nvme::discovery_log_entry> entries() {
        const auto records =
            d.admin->call(get_log_page(nvme::lid::discovery, 1024)).page<nvme::discovery_log_header>().numrec.value();
        std::vector<nvme::discovery_log_entry> all;
        for (std::uint64_t i = 1; i < records; ++i)
            all.push_back(d.admin->call(get_log_page(nvme::lid::discovery, 1024, 1024 * (i + 1)))
                              .page<nvme::discovery_log_entry>());
        return all;
    }

    nvmf_fixture w;
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
};

TEST_F(referrals, are_entries_byte_by_byte) {
    EXPECT_EQ(add({"TCP", "", "10.0.0.9", "8009"}), 0) << "a fabric that this target does not have";
    ASSERT_EQ(entries().size(), 1u);
    const bytes e = raw(entries()[0]);
    const auto text = [&](std::size_t at, std::size_t n) {
        return std::string(reinterpret_cast<const char*>(&e[at]), n);
    };
    const std::string discovery_nqn(nvme::discovery_nqn);
    EXPECT_EQ(e[0], std::byte{3}) << "TRTYPE: TCP";
    EXPECT_EQ(e[1], std::byte{1}) << "ADRFAM: IPv4";
    EXPECT_EQ(e[2], std::byte{1}) << "SUBTYPE: referral";
    EXPECT_EQ(e[3], std::byte{0}) << "TREQ: nothing of a secure channel";
    EXPECT_EQ(bytes(e.begin() + 6, e.begin() + 8), raw(nvme::le16(0xffff))) << "CNTLID: dynamic";
    EXPECT_EQ(bytes(e.begin() + 8, e.begin() + 10), raw(nvme::le16(32))) << "ASQSZ";
    EXPECT_EQ(text(32, 32), "8009" + std::string(28, ' '));
    EXPECT_EQ(text(256, 256), discovery_nqn + std::string(256 - discovery_nqn.size(), '\0'));
    EXPECT_EQ(text(512, 256), "10.0.0.9" + std::string(248, ' '));
}

TEST_F(referrals, lead_to_subsystems_too_and_say_what_is_secured) {
    EXPECT_EQ(add({"FAKE", "IPv6", "fd00::9", "4420"}, subsystem_nqn, true), 0);
    ASSERT_EQ(entries().size(), 1u);
    EXPECT_EQ(entries()[0].subtype, 2u);
    EXPECT_EQ(entries()[0].adrfam, 2u);
    EXPECT_EQ(entries()[0].treq, 1u) << "secure channel required";
    EXPECT_EQ(entries()[0].tsas[3], 1u) << "the transport was told";
    EXPECT_EQ(std::string_view(entries()[0].subnqn), subsystem_nqn);
}

TEST_F(referrals, are_known_by_address_and_nqn) {
    const transport_address at{"FAKE", "IPv4", "10.0.0.9", "8009"};
    EXPECT_EQ(add(at), 0);
    EXPECT_EQ(add(at), 0) << "as the peer answers";
    EXPECT_EQ(add(at, std::string(nvme::discovery_nqn)), 0) << "the same";
    EXPECT_EQ(add(at, subsystem_nqn), 0);
    EXPECT_EQ(w.target.referrals().all().size(), 2u);
    EXPECT_EQ(add(at, {}, true), 0) << "takes the place of the other";
    EXPECT_EQ(w.target.referrals().all().size(), 2u);
    EXPECT_EQ(entries()[0].treq, 1u);
    EXPECT_EQ(remove(at), 0);
    EXPECT_EQ(remove(at), ENOENT);
    ASSERT_EQ(entries().size(), 1u);
    EXPECT_EQ(entries()[0].subtype, 2u);
}

TEST_F(referrals, are_told_to_all_hosts) {
    host b = w.make_host(host_b, 0, std::string(nvme::discovery_nqn));
    capsule* events[2];
    for (host* h : {&d, &b}) {
        h->admin->call(set_features(nvme::fid::async_event_configuration, 0x80000000));
        events[h == &b] = &h->admin->send(admin(nvme::admin_opcode::async_event_request));
    }
    EXPECT_EQ(add(elsewhere), 0);
    EXPECT_TRUE(w.until([&] { return events[0]->answered && events[1]->answered; }));
}

TEST_F(referrals, are_refused_where_no_host_could_go) {
    EXPECT_EQ(add({"SMOKE", "IPv4", "10.0.0.9", "8009"}), EINVAL);
    EXPECT_EQ(add({"TCP", "IPv4", "10.0.0.9", ""}), EINVAL);
    EXPECT_EQ(add({"TCP", "IPv4", "", "8009"}), EINVAL);
    EXPECT_EQ(add({"TCP", "IPv4", "0.0.0.0", "8009"}), EINVAL);
    EXPECT_EQ(add({"TCP", "IPv4", "10.0.0.9\n", "8009"}), EINVAL);
    EXPECT_EQ(add({"TCP", "IPv4", std::string(257, '1'), "8009"}), EINVAL);
    EXPECT_EQ(add(elsewhere, std::string(224, 'n')), EINVAL);
    EXPECT_TRUE(entries().empty());
}

}  // namespace
}  // namespace causeway::nvmf::test
