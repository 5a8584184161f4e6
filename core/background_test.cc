// SPDX-License-Identifier: Apache-2.0
#include "core/background.h"

#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace causeway::core {
namespace {

constexpr unsigned everything = std::numeric_limits<unsigned>::max();

/// Of a party that several share.
struct shared_queue final : background_queue {
    explicit shared_queue(std::shared_ptr<background_party> p) : party(std::move(p)) {}
    std::shared_ptr<background_party> find_party() override { return party; }
    const std::shared_ptr<background_party> party;
};

struct background_test : ::testing::Test {
    /// Writes the name of its queue to the log, then does what it is told.
    struct piece : background_message {
        piece(background_test& t, char name, background_queue* q, unsigned cost)
            : background_message(&take), test(t), name(name), cost(cost) {
            queue = q;
        }
        static void take(message& m) noexcept {
            auto& self = static_cast<piece&>(m);
            self.test.log += self.name;
            self.test.work.spend(self.cost);
            if (self.then)
                self.then();
        }
        background_test& test;
        char name;
        unsigned cost;
        std::function<void()> then;
    };

    piece& post(char name, background_queue* q, unsigned cost = 0) {
        piece& p = pieces.emplace_back(*this, name, q, cost);
        EXPECT_FALSE(work.post(p)) << "the reactor does not sleep";
        return p;
    }
    void post(char name, background_queue& q, int count) {
        for (int i = 0; i < count; ++i)
            post(name, &q);
    }
    std::string run(unsigned budget = everything) {
        work.run(budget);
        return std::exchange(log, {});
    }

    std::string log;
    std::deque<piece> pieces;
    background_work work;
    std::shared_ptr<background_party> one = std::make_shared<background_party>();
};

TEST_F(background_test, a_queue_with_much_work_waits_for_its_own_work_only) {
    background_queue much, little;
    post('M', much, 20);
    post('l', little, 2);
    post('g', nullptr);
    EXPECT_EQ(run(6), "MlgMlM");
    post('l', &little);
    EXPECT_EQ(run(3), "MlM") << "it has its turn as one that comes anew";
    EXPECT_EQ(run(), std::string(15, 'M'));
    EXPECT_TRUE(work.empty());
}

TEST_F(background_test, a_party_has_one_turn_however_many_queues_it_has) {
    std::deque<shared_queue> many;
    background_queue little;
    for (int i = 0; i < 10; ++i)
        post(static_cast<char>('A' + i % 2), many.emplace_back(one), 2);
    post('l', little, 3);
    EXPECT_EQ(run(8), "AlBlAlBA");
    EXPECT_EQ(run().size(), 15u);
}

TEST_F(background_test, queues_of_a_party_take_turns_in_it) {
    shared_queue a(one), b(one);
    post('a', a, 4);
    post('b', b, 2);
    post('g', nullptr);
    post('g', nullptr);
    EXPECT_EQ(run(), "agbgabaa");
}

TEST_F(background_test, a_queue_that_has_left_its_party_joins_it_again) {
    struct counting final : background_queue {
        std::shared_ptr<background_party> find_party() override {
            ++asked;
            return std::make_shared<background_party>();
        }
        int asked = 0;
    } a;
    post('a', a, 3);
    run();
    post('a', a, 1);
    run();
    EXPECT_EQ(a.asked, 1);
    a.leave_party();
    post('a', a, 1);
    EXPECT_EQ(run(), "a");
    EXPECT_EQ(a.asked, 2);
}

TEST_F(background_test, a_queue_keeps_its_order) {
    background_queue a;
    for (const char name : {'1', '2', '3', '4', '5'})
        post(name, &a);
    EXPECT_EQ(run(2), "12");
    post('6', &a);
    EXPECT_EQ(run(), "3456");
}

TEST_F(background_test, a_run_costs_its_budget_and_what_its_last_piece_costs) {
    post('1', nullptr, 4);
    post('2', nullptr, 4);
    post('3', nullptr, 1000);
    post('4', nullptr);
    EXPECT_EQ(run(10), "12");
    EXPECT_EQ(work.spent(), 10u);
    EXPECT_EQ(run(10), "3");
    EXPECT_EQ(work.spent(), 1001u);
    EXPECT_TRUE(work.has_rest());
    EXPECT_EQ(run(10), "4");
    EXPECT_TRUE(work.empty());
}

TEST_F(background_test, work_posted_by_a_piece_runs_within_the_same_budget) {
    background_queue a;
    post('1', &a).then = [&] { post('2', &a).then = [&] { post('3', &a); }; };
    EXPECT_EQ(run(2), "12");
    EXPECT_EQ(run(2), "3");
}

TEST_F(background_test, the_last_piece_may_destroy_its_queue_and_party) {
    std::optional<shared_queue> a(std::make_shared<background_party>());
    post('1', &*a);
    post('2', &*a).then = [&] { a.reset(); };
    post('g', nullptr);
    EXPECT_EQ(run(), "1g2");
    EXPECT_TRUE(work.empty());
}

TEST_F(background_test, of_those_that_arrive_at_once_some_are_sorted_in_for_each_that_runs) {
    background_queue much, little;
    post('M', much, 1000);
    post('l', &little);
    EXPECT_EQ(run(1), "M");
    EXPECT_TRUE(work.has_rest());
    EXPECT_EQ(run(33).find('l'), 31u) << "the little one stands in line once all before it have arrived, and no later";
    EXPECT_EQ(run().size(), 1001u - 34u);
}

TEST_F(background_test, sleeps_only_when_nothing_waits) {
    post('1', nullptr);
    post('2', nullptr);
    EXPECT_FALSE(work.arm());
    EXPECT_EQ(run(1), "1");
    EXPECT_FALSE(work.arm()) << "one has been sorted in, and waits";
    EXPECT_EQ(run(1), "2");
    ASSERT_TRUE(work.arm());
    EXPECT_TRUE(work.post(pieces.emplace_back(*this, '3', nullptr, 0u))) << "it must be woken";
    work.disarm();
    EXPECT_EQ(run(), "3");
}

}  // namespace
}  // namespace causeway::core
