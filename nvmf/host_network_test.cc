// SPDX-License-Identifier: Apache-2.0
#include "nvmf/host_network.h"

#include <gtest/gtest.h>

namespace causeway::nvmf {
namespace {

TEST(host_network, is_an_ipv4_address_or_a_subnet_of_64_bits) {
    struct {
        const char *traddr, *network;
    } const rows[] = {
        {"192.0.2.10", "192.0.2.10"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2"},
        {"2001:db8:1:2::6", "2001:db8:1:2"},
        {"2001:db8::6", "2001:db8:0:0"},
        {"fd77::1:2:3:4:5:6", "fd77:0:1:2"},
        {"::1", "0:0:0:0"},
        {"::", "0:0:0:0"},
        {"1::", "1:0:0:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4"},
        {"::ffff:192.0.2.10", "::ffff:192.0.2.10"},
        {"", ""},
        {"nn-0x1000:pn-0x2000", "nn-0x1000:pn-0x2000"},
    };
    for (const auto& r : rows)
        EXPECT_EQ(host_network_of(r.traddr), r.network) << r.traddr;
}

}  // namespace
}  // namespace causeway::nvmf
