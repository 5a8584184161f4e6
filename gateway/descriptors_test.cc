#include "gateway/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace causeway::gateway {
namespace {

TEST(descriptors, hosts_have_half_of_them) {
    EXPECT_EQ(limits_of_hosts(1024).in_all, 512u);
    EXPECT_EQ(limits_of_hosts(1).in_all, 1u);
    EXPECT_EQ(limits_of_hosts(RLIM_INFINITY).in_all, tcp::connection_limits().in_all);
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
