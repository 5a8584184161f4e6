// SPDX-License-Identifier: Apache-2.0
#include "core/mailbox.h"

#include <gtest/gtest.h>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace causeway::core {
namespace {

struct letter : message {
    letter(std::vector<int>& order, int n) : message(&take), order(order), n(n) {}
    static void take(message& m) noexcept {
        auto& l = static_cast<letter&>(m);
        l.order.push_back(l.n);
    }
    std::vector<int>& order;
    int n;
};

TEST(mailbox, delivers_in_order) {
    mailbox box;
    std::vector<int> order;
    letter a(order, 1), b(order, 2), c(order, 3);
    EXPECT_TRUE(box.empty());
    EXPECT_EQ(box.drain(), 0u);
    for (letter* l : {&a, &b, &c})
        EXPECT_FALSE(box.push(*l));
    EXPECT_FALSE(box.empty());
    EXPECT_EQ(box.drain(), 3u);
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_TRUE(box.empty());
}

TEST(mailbox, a_message_sent_by_a_handler_waits_for_the_next_call) {
    struct bouncing : message {
        explicit bouncing(mailbox& b) : message(&bounce), box(b) {}
        static void bounce(message& m) noexcept {
            auto& self = static_cast<bouncing&>(m);
            ++self.times;
            EXPECT_FALSE(self.box.push(self));
        }
        mailbox& box;
        int times = 0;
    };
    mailbox box;
    bouncing b(box);
    EXPECT_FALSE(box.push(b));
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(box.drain(), 1u);
        EXPECT_EQ(b.times, i);
    }
}

TEST(mailbox, a_handler_may_destroy_its_message) {
    struct mortal : message {
        mortal() : message([](message& m) noexcept { delete static_cast<mortal*>(&m); }) {}
    };
    mailbox box;
    for (int i = 0; i < 3; ++i)
        EXPECT_FALSE(box.push(*new mortal));
    EXPECT_EQ(box.drain(), 3u);
}

TEST(mailbox, only_the_first_push_to_a_sleeper_wakes) {
    mailbox box;
    std::vector<int> order;
    letter a(order, 1), b(order, 2);
    ASSERT_TRUE(box.arm());
    EXPECT_TRUE(box.push(a));
    EXPECT_FALSE(box.push(b));
    EXPECT_TRUE(box.disarm());
    EXPECT_EQ(box.drain(), 2u);
    EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(mailbox, does_not_arm_with_messages_and_disarms_without) {
    mailbox box;
    std::vector<int> order;
    letter a(order, 1);
    EXPECT_FALSE(box.push(a));
    EXPECT_FALSE(box.arm());
    EXPECT_EQ(box.drain(), 1u);
    EXPECT_TRUE(box.arm());
    EXPECT_FALSE(box.disarm());
    EXPECT_FALSE(box.push(a));  // awake again: no wake-up is needed
    EXPECT_EQ(box.drain(), 1u);
}

TEST(mailbox, a_budget_leaves_the_rest_for_the_next_call_and_keeps_the_order) {
    mailbox box;
    std::vector<int> order;
    std::vector<std::unique_ptr<letter>> letters;
    const auto push = [&](int n) {
        letters.push_back(std::make_unique<letter>(order, n));
        EXPECT_FALSE(box.push(*letters.back()));
    };
    for (int n = 1; n <= 5; ++n)
        push(n);
    EXPECT_EQ(box.drain(2), 2u);
    EXPECT_TRUE(box.has_rest());
    push(6);
    EXPECT_EQ(box.drain(2), 2u);
    EXPECT_EQ(box.drain(2), 1u) << "what is newer waits until the rest has gone";
    EXPECT_FALSE(box.has_rest());
    EXPECT_EQ(box.drain(2), 1u);
    EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5, 6}));
}

TEST(mailbox, does_not_arm_while_messages_are_left) {
    mailbox box;
    std::vector<int> order;
    letter a(order, 1), b(order, 2);
    EXPECT_FALSE(box.push(a));
    EXPECT_FALSE(box.push(b));
    EXPECT_EQ(box.drain(1), 1u);
    EXPECT_FALSE(box.arm());
    EXPECT_FALSE(box.empty());
    EXPECT_EQ(box.drain(1), 1u);
    EXPECT_TRUE(box.empty());
    EXPECT_TRUE(box.arm());
}

struct numbered : message {
    unsigned producer = 0;
    unsigned number = 0;
    std::vector<unsigned>* next = nullptr;
    bool* wrong = nullptr;
    static void take(message& m) noexcept {
        auto& self = static_cast<numbered&>(m);
        *self.wrong |= self.number != (*self.next)[self.producer]++;
    }
};

TEST(mailbox, many_producers_each_in_order_and_nothing_lost) {
    constexpr unsigned producers = 4;
    constexpr unsigned each = 50'000;
    mailbox box;
    std::vector<unsigned> next(producers, 0);
    bool wrong = false;
    std::vector<std::vector<numbered>> letters;
    for (unsigned p = 0; p < producers; ++p) {
        letters.emplace_back(each);
        for (unsigned i = 0; i < each; ++i) {
            auto& l = letters[p][i];
            l.handle = &numbered::take;
            l.producer = p;
            l.number = i;
            l.next = &next;
            l.wrong = &wrong;
        }
    }
    std::vector<std::thread> threads;
    for (unsigned p = 0; p < producers; ++p) {
        threads.emplace_back([&box, &mine = letters[p]] {
            for (auto& l : mine)
                EXPECT_FALSE(box.push(l));
        });
    }
    unsigned taken = 0;
    for (unsigned budget = 1; taken < producers * each; budget = budget % 7 + 1)
        taken += box.drain(budget);
    for (auto& t : threads)
        t.join();
    EXPECT_FALSE(wrong);
    EXPECT_EQ(box.drain(), 0u);
}

/// The consumer sleeps whenever it can. A wake-up lost between its last look and its sleep would leave it
/// waiting for good.
TEST(mailbox, no_wake_up_is_lost) {
    constexpr unsigned producers = 2;
    constexpr unsigned each = 20'000;
    mailbox box;
    std::counting_semaphore<> wake_up(0);
    unsigned taken = 0;
    struct counted : message {
        unsigned* taken = nullptr;
        static void take(message& m) noexcept { ++*static_cast<counted&>(m).taken; }
    };
    std::vector<counted> letters(producers * each);
    for (auto& l : letters) {
        l.handle = &counted::take;
        l.taken = &taken;
    }
    std::vector<std::thread> threads;
    for (unsigned p = 0; p < producers; ++p) {
        threads.emplace_back([&, p] {
            for (unsigned i = 0; i < each; ++i) {
                if (box.push(letters[p * each + i]))
                    wake_up.release();
                for (unsigned pause = i * 7 % 50; pause > 0; --pause)
                    __builtin_ia32_pause();
            }
        });
    }
    unsigned sleeps = 0;
    while (taken < letters.size()) {
        if (box.drain(3) || !box.arm())
            continue;
        ++sleeps;
        ASSERT_TRUE(wake_up.try_acquire_for(std::chrono::seconds(30))) << "asleep with " << taken << " taken";
        EXPECT_TRUE(box.disarm());
    }
    for (auto& t : threads)
        t.join();
    EXPECT_GT(sleeps, 0u);
    EXPECT_FALSE(wake_up.try_acquire()) << "woken more often than it slept";
}

}  // namespace
}  // namespace causeway::core
