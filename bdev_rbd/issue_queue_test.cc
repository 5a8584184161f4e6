// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/issue_queue.h"

#include "core/simulation.h"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <vector>

namespace causeway::bdev_rbd {
namespace {

/// A queue on a reactor in virtual time. An I/O costs its length; deallocations are long.
class issue_queue_test : public testing::Test {
  protected:
    static issue_queue::cost cost_of(const bdev::io& i) noexcept {
        return {static_cast<unsigned>(i.length_blocks), i.operation == bdev::op::unmap};
    }
    static void note(bdev::io& i) noexcept { static_cast<issue_queue_test*>(i.context)->issued_.push_back(&i); }

    bdev::io& make(bdev::op operation, unsigned operations) {
        auto& i = all_.emplace_back();
        i.operation = operation;
        i.length_blocks = operations;
        i.context = this;
        return i;
    }
    /// Submits all in one turn of the home core.
    void submit(const std::vector<bdev::io*>& ios) {
        sim_[0].execute([this, ios] {
            for (auto* i : ios)
                queue_.submit(*i);
            issued_at_once_ = issued_.size();
        });
        ASSERT_TRUE(sim_.run_until_idle());
    }
    std::vector<bdev::io*> many(unsigned count, bdev::op operation, unsigned operations) {
        std::vector<bdev::io*> ios;
        for (unsigned n = 0; n < count; ++n)
            ios.push_back(&make(operation, operations));
        return ios;
    }
    void end(bdev::io& i) {
        queue_.ended(i);
        ASSERT_TRUE(sim_.run_until_idle());
    }
    unsigned issued(bdev::op operation) const {
        return static_cast<unsigned>(std::ranges::count(issued_, operation, &bdev::io::operation));
    }

    core::simulation sim_{1};
    const std::shared_ptr<ceph::outstanding_operations> client_ = std::make_shared<ceph::outstanding_operations>(200);
    issue_queue queue_{sim_[0], client_, cost_of, note};
    std::deque<bdev::io> all_;
    std::vector<bdev::io*> issued_;
    std::size_t issued_at_once_ = 0;
};

TEST_F(issue_queue_test, a_turn_issues_so_much_and_the_next_ones_the_rest) {
    const auto reads = many(90, bdev::op::read, 1);
    submit(reads);
    EXPECT_EQ(issued_at_once_, issue_queue::max_per_turn);
    EXPECT_EQ(issued_, reads) << "all of them, in their order";
}

TEST_F(issue_queue_test, what_waits_for_its_share_goes_on_in_order_as_others_end) {
    const auto reads = many(130, bdev::op::read, 1);
    submit(reads);
    ASSERT_EQ(issued_.size(), 100u) << "a half of the client's limit";
    for (unsigned n = 0; n < 30; ++n) {
        EXPECT_EQ(issued_.size(), 100u + n);
        end(*reads[n]);
    }
    EXPECT_EQ(issued_, reads);
    for (unsigned n = 30; n < 130; ++n)
        end(*reads[n]);
    EXPECT_EQ(client_->count(), 0u);
}

TEST_F(issue_queue_test, reads_do_not_stand_behind_long_ones) {
    const auto deallocations = many(50, bdev::op::unmap, 8);
    submit(deallocations);
    EXPECT_EQ(issued_.size(), issue_queue::max_long / 8);
    const auto reads = many(20, bdev::op::read, 1);
    submit(reads);
    EXPECT_EQ(issued(bdev::op::read), 20u);
    for (std::size_t n = 0; n < issued_.size(); ++n)  // it grows
        end(*issued_[n]);
    EXPECT_EQ(issued(bdev::op::unmap), 50u);
}

TEST_F(issue_queue_test, nor_do_reads_keep_a_long_one_from_its_turn) {
    submit(many(200, bdev::op::read, 1));
    auto& deallocation = make(bdev::op::unmap, 8);
    submit({&deallocation});
    std::size_t ended = 0;
    while (issued(bdev::op::unmap) == 0 && ended < 20) {
        submit(many(1, bdev::op::read, 1));  // they keep coming
        end(*issued_[ended++]);
    }
    EXPECT_EQ(issued(bdev::op::unmap), 1u);
    EXPECT_LE(ended, 10u) << "as soon as there is room for it";
}

TEST_F(issue_queue_test, an_image_of_a_client_that_others_have_used_up_goes_on) {
    ceph::operation_share others(client_);
    ASSERT_TRUE(others.take(400));
    const auto reads = many(40, bdev::op::read, 1);
    submit(reads);
    EXPECT_EQ(issued_.size(), ceph::operation_share::floor);
    for (std::size_t n = 0; n < issued_.size(); ++n)
        end(*issued_[n]);
    EXPECT_EQ(issued_, reads);
}

}  // namespace
}  // namespace causeway::bdev_rbd
