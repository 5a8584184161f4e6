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
        {"RDMA", "IB", "10.0.0.1", "4420"},    {"RDMA", "IPv4", "10.0.0.1.1", "4420"}};
    for (const auto& a : rows) {
        const auto s = socket_address_of(a);
        ASSERT_FALSE(s) << a.text();
        EXPECT_EQ(s.error().code, EINVAL);
    }
}

}  // namespace
}  // namespace causeway::ip
