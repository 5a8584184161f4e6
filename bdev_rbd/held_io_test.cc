// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/held_io.h"

#include "bdev/testing/bdev_fixture.h"
#include "core/simulation.h"

#include <gtest/gtest.h>
#include <list>

namespace causeway::bdev_rbd {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using bdev::test::request;

/// A device that holds everything, on core 0.
class inaccessible_device final : public bdev::device {
  public:
    inaccessible_device(core::reactor_group& group, held_io& held)
        : device(group, "held", {.blocks = 1024}, {.ops = bdev::ops({op::read})}, bdev::random_uuid()), held_(held) {}
    std::string_view product_name() const noexcept override { return "Test"; }

  private:
    void submit(bdev::io& i) noexcept override {
        i.handle = [](core::message& m) noexcept {
            auto& i = static_cast<bdev::io&>(m);
            static_cast<inaccessible_device*>(i.owner)->held_.add(i);
        };
        group()[0].post(i);
    }
    held_io& held_;
};

/// Requests from core 1.
class held : public testing::Test {
  protected:
    ~held() override { EXPECT_EQ(held_.size(), 0u); }
    request& arrive() {
        auto& r = requests_.emplace_back(op::read, 0, 8);
        s_[1].execute([&] { device_.start(r); });
        const auto before = held_.size();
        EXPECT_TRUE(s_.run_until([&] { return held_.size() > before; }));
        return r;
    }
    core::simulation s_{3, 2};
    std::list<request> requests_;
    held_io held_{s_[0]};
    inaccessible_device device_{s_.group(), held_};
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
