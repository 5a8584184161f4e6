// SPDX-License-Identifier: Apache-2.0
#include "transport/ip/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace causeway::ip {
namespace {

TEST(address, there_and_back) {
    const nvmf::transport_address rows[] = {{"RDMA", "IPv4", "10.0.0.1", "4420"},
                                            {"RDMA", "IPv4", "0.0.0.0", "1"},
                                            {"TCP", "IPv6", "fd77::1", "4420"},
                                            {"RDMA", "IPv6", "::", "65535"}};
    for (const auto& a : rows) {
        auto s = socket_address_of(a);
        ASSERT_TRUE(s) << a.text();
        EXPECT_EQ(address_of(a.trtype, *s->get()), a);
    }
}

TEST(address, numbers_only) {
    const nvmf::transport_address rows[] = {
        {"RDMA", "IPv4", "localhost", "4420"}, {"RDMA", "IPv4", "10.0.0.1", "nvme"},
        {"RDMA", "IPv4", "fd77::1", "4420"},   {"RDMA", "IPv6", "10.0.0.1", "4420"},
        {"RDMA", "IPv4", "", "4420"},          {"RDMA", "IPv4", "10.0.0.1", ""},
        {"RDMA", "IB", "10.0.0.1", "4420"},    {"RDMA", "IPv4", "10.0.0.1.1", "4420"},
        {"TCP", "IPv4", "10.0.0.1", "0"},      {"TCP", "IPv4", "10.0.0.1", "70000"},
        {"TCP", "IPv4", "10.0.0.1", "65536"},  {"TCP", "IPv4", "10.0.0.1", " 4420"},
        {"TCP", "IPv4", "10.0.0.1", "4420 "},  {"TCP", "IPv4", "10.0.0.1", "+4420"},
        {"TCP", "IPv4", "10.0.0.1", "-1"},     {"TCP", "IPv4", "10.1", "4420"},
        {"TCP", "IPv4", "0x7f000001", "4420"}, {"TCP", "IPv4", " 10.0.0.1", "4420"},
        {"TCP", "IPv6", "::1 ", "4420"},       {"TCP", "IPv6", ":::", "4420"}};
    for (const auto& a : rows) {
        const auto s = socket_address_of(a);
        ASSERT_FALSE(s) << a.text();
        EXPECT_EQ(s.error().code, EINVAL);
    }
}

TEST(address, has_one_spelling) {
    const struct {
        const char *adrfam, *traddr, *trsvcid, *normal, *port;
    } rows[] = {{"IPv6", "0:0:0:0:0:0:0:1", "4420", "::1", "4420"},
                {"IPv6", "0:0::0", "4420", "::", "4420"},
                {"IPv6", "FD77::00A1", "4420", "fd77::a1", "4420"},
                {"IPv6", "fd77:0:0:0:0:0:10.0.0.1", "4420", "fd77::a00:1", "4420"},
                {"IPv4", "10.0.0.1", "04420", "10.0.0.1", "4420"}};
    for (const auto& r : rows) {
        const auto n = normalized({"TCP", r.adrfam, r.traddr, r.trsvcid});
        ASSERT_TRUE(n) << r.traddr << ": " << n.error().text();
        EXPECT_EQ(*n, (nvmf::transport_address{"TCP", r.adrfam, r.normal, r.port}));
    }
    EXPECT_FALSE(normalized({"TCP", "IPv6", "::ffff:10.0.0.1", "4420"})) << "it would be of two families";
    const auto v4 = normalized({"TCP", "", "10.0.0.1", "4420"});
    ASSERT_TRUE(v4) << v4.error().text();
    EXPECT_EQ(v4->adrfam, "IPv4") << "what is meant where no family is said";
    EXPECT_FALSE(normalized({"TCP", "", "::1", "4420"})) << "IPv6 has to be said";
}

TEST(address, of_one_host_is_an_ipv4_address_or_an_ipv6_subnet) {
    const auto key = [](const char* family, const char* traddr) {
        auto a = socket_address_of({"TCP", family, traddr, "4420"});
        return host_key(*a->get());
    };
    EXPECT_EQ(key("IPv6", "fd77::1"), key("IPv6", "fd77::1:4"));
    EXPECT_NE(key("IPv6", "fd77::1"), key("IPv6", "fd77:0:0:1::1"));
    EXPECT_NE(key("IPv4", "10.0.0.1"), key("IPv4", "10.0.0.2"));
    EXPECT_NE(key("IPv4", "10.0.0.1"), key("IPv6", "::ffff:10.0.0.1"));
}

}  // namespace
}  // namespace causeway::ip
