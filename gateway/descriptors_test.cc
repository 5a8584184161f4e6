// SPDX-License-Identifier: Apache-2.0
#include "gateway/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace causeway::gateway {
namespace {

TEST(descriptors, hosts_have_half_of_them) {
    EXPECT_EQ(host_connection_limits(1024).total, 512u);
    EXPECT_EQ(host_connection_limits(1).total, 1u);
    EXPECT_EQ(host_connection_limits(RLIM_INFINITY).total, common::connection_limits().total);
}

TEST(descriptors, the_soft_limit_becomes_the_hard_one) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit lower{before.rlim_max / 2, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace causeway::gateway
