// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/qos_scheduler.h"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>

namespace causeway::nvmf {
namespace {

constexpr core::ticks second = 1'000'000'000, us = 1000;  // of the virtual clock

/// Queue pairs of hosts on one scheduler, in virtual time. Each always has `depth` commands outstanding; a command that
/// was granted is done after 100 us.
class hosts_at_a_limit : public testing::Test {
  protected:
    struct queue {
        qos_ticket ticket;
        std::size_t depth = 1;
        std::size_t waiting = 0;
        std::deque<core::ticks> done_at;
        std::uint64_t granted = 0;
        core::ticks longest_wait = 0, asked_at = 0;
    };

    void limit(bdev::rate_limits l) { limiter.set(l, now); }
    qos_host& add_host() { return hosts.emplace_back(clock, 2); }
    queue& add_queue(qos_host& h, std::size_t depth, std::uint64_t bytes = 4096, io_direction d = io_direction::read) {
        queue& q = queues.emplace_back();
        q.ticket.host = &h;
        q.ticket.direction = d;
        q.ticket.bytes_of_each = bytes;
        q.depth = q.waiting = depth;
        return q;
    }
    void ask(queue& q) {
        if (q.ticket.waits || q.waiting == 0)
            return;
        q.ticket.wanted = q.waiting;
        q.asked_at = now;
        scheduler.insert(q.ticket, now);
        take_grants(scheduler.serve_newcomer(now, *q.ticket.host));
    }
    void take_grants(qos_ticket* granted) {
        for (qos_ticket* t = granted; t; t = t->next) {
            queue& q = *std::ranges::find_if(queues, [&](const queue& each) { return &each.ticket == t; });
            EXPECT_GT(t->granted, 0u);
            EXPECT_LE(t->granted, t->wanted);
            q.granted += t->granted;
            q.waiting -= t->granted;
            q.longest_wait = std::max(q.longest_wait, now - q.asked_at);
            q.done_at.insert(q.done_at.end(), t->granted, now + 100 * us);
        }
    }
    void run(core::ticks duration) {
        const core::ticks end = now + duration;
        for (unsigned step = 0; now < end; now += 10 * us, ++step) {
            for (queue& q : queues) {
                while (!q.done_at.empty() && q.done_at.front() <= now) {
                    q.done_at.pop_front();
                    ++q.waiting;
                }
                ask(q);
            }
            if (step % 25 == 0)  // each 250 us
                take_grants(scheduler.serve(now));
        }
    }

    core::virtual_clock clock;
    core::ticks now = second;
    rate_limiter limiter{clock, 2};
    qos_scheduler scheduler{limiter};
    std::deque<qos_host> hosts;
    std::deque<queue> queues;
};

TEST_F(hosts_at_a_limit, get_the_whole_of_it) {
    limit({.rw_ios_per_sec = 50'000});
    const queue& q = add_queue(add_host(), 128);
    run(second);
    EXPECT_NEAR(q.granted, 50'000, 100);
}

TEST_F(hosts_at_a_limit, are_equal_however_many_queues_and_commands_they_have) {
    limit({.rw_ios_per_sec = 20'000});
    qos_host& many = add_host();
    for (int i = 0; i < 8; ++i)
        add_queue(many, 128);
    const queue& one = add_queue(add_host(), 16);
    run(second);
    EXPECT_NEAR(one.granted, 10'000, 100);
}

TEST_F(hosts_at_a_limit, share_it_by_weight) {
    limit({.rw_ios_per_sec = 40'000});
    qos_host& heavy = add_host();
    scheduler.set_weight(heavy, 3);
    const queue& three = add_queue(heavy, 64);
    const queue& one = add_queue(add_host(), 64);
    run(second);
    EXPECT_NEAR(three.granted, 30'000, 150);
    EXPECT_NEAR(one.granted, 10'000, 150);
}

TEST_F(hosts_at_a_limit, of_depth_one_do_not_wait_behind_one_of_depth_128) {
    limit({.rw_ios_per_sec = 100'000});
    const queue& deep = add_queue(add_host(), 128);
    const queue& shallow = add_queue(add_host(), 1);
    run(second);
    // One command in 100 us is all that it can have, and far below its half.
    EXPECT_GE(shallow.granted, 8000u);
    EXPECT_LE(shallow.longest_wait, 50 * us);  // deeper ones wait for more than a millisecond
    EXPECT_NEAR(deep.granted + shallow.granted, 100'000, 500);
}

TEST_F(hosts_at_a_limit, give_what_they_leave_to_the_others) {
    limit({.rw_ios_per_sec = 100'000});
    for (int i = 0; i < 3; ++i)
        add_queue(add_host(), 1);
    const queue& deep = add_queue(add_host(), 256);
    run(second);
    EXPECT_GE(deep.granted, 69'000u);
}

TEST_F(hosts_at_a_limit, share_bytes_where_bytes_are_limited) {
    limit({.rw_mbytes_per_sec = 100});
    const queue& small = add_queue(add_host(), 64, 4096);
    const queue& large = add_queue(add_host(), 64, 128 << 10);
    run(second);
    EXPECT_NEAR(small.granted * 4096.0, 50 << 20, 1 << 20);
    EXPECT_NEAR(large.granted * 131072.0, 50 << 20, 1 << 20);
}

TEST_F(hosts_at_a_limit, have_queues_that_take_turns) {
    limit({.rw_ios_per_sec = 20'000});
    qos_host& h = add_host();
    const queue& deep = add_queue(h, 128);
    const queue& less = add_queue(h, 16);
    run(second);
    EXPECT_NEAR(deep.granted, less.granted, 500);
}

TEST_F(hosts_at_a_limit, read_and_write_independently_if_only_writes_are_limited) {
    limit({.r_mbytes_per_sec = 200, .w_mbytes_per_sec = 10});
    qos_host& h = add_host();
    const queue& reads = add_queue(h, 64, 4096, io_direction::read);
    const queue& writes = add_queue(h, 64, 4096, io_direction::write);
    run(second);
    EXPECT_NEAR(reads.granted, 51'200, 500);
    EXPECT_NEAR(writes.granted, 2560, 30);
}

TEST_F(hosts_at_a_limit, that_read_and_write_have_one_share_of_a_common_limit) {
    limit({.rw_ios_per_sec = 30'000});
    qos_host& mixed = add_host();
    const queue& reads = add_queue(mixed, 64, 4096, io_direction::read);
    const queue& writes = add_queue(mixed, 64, 4096, io_direction::write);
    const queue& other = add_queue(add_host(), 64, 4096, io_direction::read);
    run(second);
    EXPECT_NEAR(other.granted, 15'000, 150);
    EXPECT_NEAR(reads.granted, 7500, 150);
    EXPECT_NEAR(writes.granted, 7500, 150);
}

TEST_F(hosts_at_a_limit, with_limits_of_their_own_keep_to_these_and_hold_up_nobody) {
    limit({.rw_ios_per_sec = 50'000});
    qos_host& slow = add_host();
    slow.own.set({.rw_ios_per_sec = 1000}, now);
    const queue& limited = add_queue(slow, 128);
    const queue& other = add_queue(add_host(), 128);
    run(second);
    EXPECT_NEAR(limited.granted, 1000, 10);
    EXPECT_NEAR(other.granted, 49'000, 150);
}

TEST_F(hosts_at_a_limit, that_were_idle_have_saved_up_nothing) {
    limit({.rw_ios_per_sec = 20'000});
    const queue& busy = add_queue(add_host(), 64);
    run(second);
    const auto before = busy.granted;
    const queue& late = add_queue(add_host(), 64);
    run(second / 10);
    EXPECT_NEAR(late.granted, 1000, 60);
    EXPECT_NEAR(busy.granted - before, 1000, 60);
}

TEST_F(hosts_at_a_limit, may_leave_while_they_wait) {
    limit({.rw_ios_per_sec = 1000});
    qos_host& gone = add_host();
    queue& q = add_queue(gone, 64);
    const queue& stays = add_queue(add_host(), 64);
    run(second / 10);
    ASSERT_TRUE(q.ticket.waits);
    scheduler.remove(q.ticket);
    scheduler.forget(gone);
    queues.front().waiting = 0;
    queues.front().done_at.clear();
    const auto before = stays.granted;
    run(second);
    EXPECT_NEAR(stays.granted - before, 1000, 10);
}

}  // namespace
}  // namespace causeway::nvmf
