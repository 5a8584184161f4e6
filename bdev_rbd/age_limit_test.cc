// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/age_limit.h"

#include "core/simulation.h"

#include <cerrno>
#include <gtest/gtest.h>

namespace causeway::bdev_rbd {
namespace {

using namespace std::chrono_literals;
using bdev::op;

class age_limit_test : public testing::Test {
  protected:
    /// An I/O that comes now.
    struct arrived : bdev::io {
        arrived(age_limit_test& t, op o) {
            operation = o;
            started = t.sim_.time().now();
        }
    };
    int refusal(const bdev::io& i, core::nanoseconds limit = age_limit::before_issue) {
        return age_.is_young(i) ? 0 : age_.refusal(i, limit);
    }
    core::simulation sim_{1};
    age_limit age_{sim_[0]};
};

TEST_F(age_limit_test, what_has_waited_for_longer_than_its_limit_is_refused) {
    const arrived write(*this, op::write), read(*this, op::read);
    EXPECT_EQ(refusal(write), 0);
    sim_.run_for(3900ms);
    EXPECT_EQ(refusal(write), 0);
    sim_.run_for(200ms);
    EXPECT_EQ(refusal(write), -ETIMEDOUT);
    EXPECT_EQ(refusal(read), -ETIMEDOUT);
    EXPECT_EQ(refusal(write, age_limit::none), 0);
}

TEST_F(age_limit_test, what_is_issued_at_the_last_moment_ends_before_its_host_gives_it_up) {
    const arrived zeroes(*this, op::write_zeroes);
    core::nanoseconds last_issue{0};
    for (core::nanoseconds age{0}; age < 60s; age += 10ms, sim_.run_for(10ms))
        if (refusal(zeroes) == 0)
            last_issue = age;
    EXPECT_GT(last_issue, 3900ms);
    EXPECT_LT(last_issue + age_limit::in_librbd, age_limit::host_patience);
}

TEST_F(age_limit_test, a_change_that_came_before_a_stall_is_refused_whatever_its_limit) {
    const arrived write(*this, op::write), zeroes(*this, op::write_zeroes), read(*this, op::read);
    sim_.run_for(3s);
    sim_[0].record_stall(3s);
    EXPECT_EQ(refusal(write), -EINTR);
    EXPECT_EQ(refusal(zeroes, age_limit::none), -EINTR);
    EXPECT_EQ(refusal(read), 0);
}

TEST_F(age_limit_test, what_comes_after_a_stall_grows_old_like_any_other) {
    sim_[0].record_stall(3s);
    sim_.run_for(1h);
    const arrived write(*this, op::write);
    EXPECT_EQ(refusal(write), 0);
    sim_.run_for(3s);
    EXPECT_EQ(refusal(write), 0);
    sim_.run_for(2s);
    EXPECT_EQ(refusal(write), -ETIMEDOUT);
}

}  // namespace
}  // namespace causeway::bdev_rbd
