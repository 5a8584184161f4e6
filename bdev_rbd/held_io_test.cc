#include "bdev_rbd/held_io.h"

#include "bdev/test_support.h"
#include "core/simulation.h"

#include <gtest/gtest.h>
#include <list>

namespace causeway::bdev_rbd {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using bdev::test::request;

/// Requests that arrive on core 1 and are held on core 0.
class held : public testing::Test {
  protected:
    ~held() override { EXPECT_EQ(held_.size(), 0u); }
    request& arrive() {
        auto& r = requests_.emplace_back(op::read, 0, 8);
        r.origin = &s_[1];
        r.started = s_.time().now();
        s_[0].execute([&] { held_.add(r); });
        s_.run_for(1us);
        return r;
    }
    core::simulation s_{3, 2};
    std::list<request> requests_;
    held_io held_{s_[0]};
};

TEST_F(held, each_waits_for_a_second_and_ends_with_a_path_error_that_may_be_tried_again) {
    auto& first = arrive();
    s_.run_for(600ms);
    auto& second = arrive();
    s_.run_for(300ms);
    EXPECT_FALSE(first.ended());
    s_.run_for(200ms);
    EXPECT_TRUE(first.ended());
    EXPECT_EQ(first.status, nvme::sc::internal_path_error);
    EXPECT_FALSE(first.status.dnr());
    EXPECT_FALSE(second.ended());
    s_.run_for(600ms);
    EXPECT_TRUE(second.ended());
    EXPECT_EQ(first.times_ended + second.times_ended, 2);
}

TEST_F(held, what_is_taken_in_time_is_in_order_and_not_ended) {
    auto &first = arrive(), &second = arrive();
    bdev::io* taken = nullptr;
    s_[0].execute([&] { taken = held_.take(); });
    s_.run_for(2s);
    EXPECT_EQ(taken, &first);
    EXPECT_EQ(taken->next, &second);
    EXPECT_EQ(second.next, nullptr);
    EXPECT_FALSE(first.ended() || second.ended());
    auto& later = arrive();
    s_.run_for(2s);
    EXPECT_TRUE(later.ended());
}

}  // namespace
}  // namespace causeway::bdev_rbd
