// SPDX-License-Identifier: Apache-2.0
// Faults on request: each rule does what it says, and the same again from the same seed.

#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/test_pair.h"

#include <csignal>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softrdma::testing {

namespace {

using clock = std::chrono::steady_clock;

TEST(faults, an_invalid_rule_is_refused) {
    for (const char* rule : {"nonsense", "delay", "delay 2 1us", "delay 0.5 5", "delay 0.5 2ms..1ms", "break 0",
                             "remove 9", "port 0 sideways", "seed x", "hold on"})
        EXPECT_NE(softrdma_fault(rule), nullptr) << rule;
    for (const char* rule : {"seed 3", "delay 0.5 1us..2us", "late 0.25 1ms", "rnr 0.1 5", "", "clear", "release"})
        EXPECT_EQ(softrdma_fault(rule), nullptr) << rule;
}

TEST(faults, held_completions_come_in_order_when_they_are_released) {
    pair p;
    softrdma_fault("hold");
    for (std::uint64_t id = 0; id < 3; ++id) {
        p.b.receive(id, {p.b.piece(id * 64, 64)});
        p.a.send(id, {p.a.piece(0, 8)});
    }
    EXPECT_EQ(p.b.next().wr_id, 0u) << "the message itself goes through";
    EXPECT_TRUE(p.a.none());
    softrdma_fault("release");
    for (std::uint64_t id = 0; id < 3; ++id)
        EXPECT_EQ(p.a.next().wr_id, id);
}

TEST(faults, a_delayed_operation_delays_those_behind_it_and_breaks_nothing) {
    pair p({.sends = 64, .receives = 64});
    softrdma_fault("seed 5");
    softrdma_fault("delay 0.5 10us..300us");
    softrdma_fault("late 0.3 10us..100us");
    for (std::uint64_t id = 0; id < 64; ++id) {
        p.b.receive(id, {p.b.piece(id * 8, 8)});
        std::memcpy(p.a.data(id * 8), &id, sizeof id);
        ASSERT_EQ(p.a.send(id, {p.a.piece(id * 8, 8)}), 0);
    }
    for (std::uint64_t id = 0; id < 64; ++id) {
        const ibv_wc sent = p.a.next(), received = p.b.next();
        EXPECT_EQ(sent.wr_id, id);
        EXPECT_EQ(received.wr_id, id);
        std::uint64_t content;
        std::memcpy(&content, p.b.data(id * 8), sizeof content);
        EXPECT_EQ(content, id);
    }
    softrdma_fault("clear");
    EXPECT_GT(softrdma_recorded("fault"), 10u);
    EXPECT_EQ(softrdma_recorded("violations"), 0u);
}

TEST(faults, a_buffer_changed_while_its_send_is_delayed_is_reported) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer reports it first";
#endif
    pair p;
    p.b.receive(0, {p.b.piece(0, 8)});
    softrdma_fault("delay 1 20ms");
    p.a.send(0, {p.a.piece(0, 8)});
    *p.a.data(0) ^= std::byte{1};
    p.a.next();
    softrdma_fault("clear");
    EXPECT_EQ(softrdma_recorded("violations"), 1u);
}

TEST(faults, a_storm_of_receivers_not_ready_passes) {
    pair p({.sends = 64, .receives = 64});
    softrdma_fault("rnr 1 20");
    for (std::uint64_t id = 0; id < 30; ++id) {
        p.b.receive(id, {p.b.piece(0, 8)});
        p.a.send(id, {p.a.piece(0, 8)});
    }
    for (std::uint64_t id = 0; id < 30; ++id)
        EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
    softrdma_fault("clear");
    EXPECT_EQ(softrdma_recorded("rnr"), 20u);
}

TEST(faults, the_nth_operation_breaks_its_connection) {
    pair p;
    softrdma_fault("break 3");
    for (std::uint64_t id = 0; id < 4; ++id) {
        p.b.receive(id, {p.b.piece(0, 8)});
        p.a.send(id, {p.a.piece(0, 8)});
    }
    EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
    EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
    EXPECT_EQ(p.a.next().status, IBV_WC_RETRY_EXC_ERR);
    EXPECT_EQ(p.a.next().status, IBV_WC_WR_FLUSH_ERR);
}

/// Which of 200 operations a seed makes wait for a receive.
std::string drawn(const char* seed) {
    pair p({.sends = 256, .receives = 256, .rnr_timer = 1});
    softrdma_fault(seed);
    softrdma_fault("rnr 0.3");
    std::string hit;
    for (std::uint64_t id = 0; id < 200; ++id) {
        const auto before = softrdma_recorded("rnr");
        p.b.receive(id, {p.b.piece(0, 8)});
        p.a.send(id, {p.a.piece(0, 8)});
        p.a.next();
        hit += softrdma_recorded("rnr") > before ? 'x' : '.';
    }
    softrdma_fault("clear");
    return hit;
}

/// The same, each in a process of its own.
std::string drawn_afresh(const char* seed) {
    int ends[2];
    if (::pipe(ends) != 0)
        return "";
    if (const pid_t child = ::fork(); child == 0) {
        const std::string hit = drawn(seed);
        ::_exit(::write(ends[1], hit.data(), hit.size()) == static_cast<ssize_t>(hit.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string hit(200, ' ');
    EXPECT_EQ(::read(ends[0], hit.data(), hit.size()), 200);
    ::close(ends[0]);
    ::wait(nullptr);
    return hit;
}

TEST(faults, come_again_from_the_same_seed) {
    const std::string once = drawn_afresh("seed 11");
    EXPECT_EQ(drawn_afresh("seed 11"), once);
    EXPECT_NE(drawn_afresh("seed 12"), once);
}

TEST(faults, a_peer_that_dies_with_operations_in_flight_is_missed_after_its_retries) {
    int to_parent[2], to_child[2];
    ASSERT_EQ(::pipe(to_parent) + ::pipe(to_child), 0);
    struct address {
        ibv_gid gid;
        std::uint32_t number;
        std::uint64_t at;
        std::uint32_t key;
    };
    const pid_t child = ::fork();
    const int in = child ? to_parent[0] : to_child[0], out = child ? to_child[1] : to_parent[1];
    {
        std::unique_ptr<ibv_context, int (*)(ibv_context*)> context(open_device(), ibv_close_device);
        side own(context.get(), {.timeout = 10, .retries = 2});
        own.to_init();
        const address mine{own.gid(), own.qp->qp_num, reinterpret_cast<std::uint64_t>(own.data()), own.mr->rkey};
        address other;
        ASSERT_EQ(::write(out, &mine, sizeof mine), static_cast<ssize_t>(sizeof mine));
        ASSERT_EQ(::read(in, &other, sizeof other), static_cast<ssize_t>(sizeof other));
        own.to_ready(other.gid, other.number);
        char ready = 0;
        if (child == 0) {
            own.receive(1, {own.piece(0, 64)});
            own.write_text(1000, "from afar");
            if (::write(out, &ready, 1) != 1)
                ::_exit(1);
            own.next();
            softrdma_fault("die 1");
            own.send(1, {own.piece(0, 8)});
            ::_exit(1);  // not reached
        }
        ASSERT_EQ(::read(in, &ready, 1), 1);
        ibv_send_wr wr{};
        wr.opcode = IBV_WR_RDMA_READ;
        wr.wr.rdma = {.remote_addr = other.at + 1000, .rkey = other.key};
        ASSERT_EQ(own.send(wr, {own.piece(0, 9)}), 0);
        EXPECT_EQ(own.next().status, IBV_WC_SUCCESS);
        EXPECT_EQ(own.text(0, 9), "from afar");
        own.send(2, {own.piece(0, 8)});
        EXPECT_EQ(own.next().status, IBV_WC_SUCCESS);
        int status;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        own.send(3, {own.piece(0, 8)});
        EXPECT_EQ(own.next().status, IBV_WC_RETRY_EXC_ERR);
    }
}

}  // namespace

}  // namespace softrdma::testing
