// SPDX-License-Identifier: Apache-2.0
// Wrong uses that hardware punishes now and then are reported each time; right ones never.

#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/test_pair.h"

#include <csignal>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softrdma::testing {

namespace {

std::uint64_t violations() {
    return softrdma_recorded("violations");
}

TEST(record, counts_operations_and_bytes) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    p.a.send(1, {p.a.piece(0, 24)});
    p.a.rdma(2, IBV_WR_RDMA_WRITE, p.a.piece(0, 100), p.b, 128);
    p.a.rdma(3, IBV_WR_RDMA_READ, p.a.piece(200, 300), p.b, 0);
    for (int i = 0; i < 3; ++i)
        p.a.next();
    p.b.next();
    const std::pair<const char*, std::uint64_t> expected[] = {
        {"send", 1},      {"send_bytes", 24}, {"rdma_write", 1},  {"rdma_write_bytes", 100},
        {"rdma_read", 1}, {"recv", 1},        {"recv_bytes", 24}, {"rdma_read_bytes", 300},
        {"post_recv", 1}, {"completion", 4},  {"violations", 0},  {"send_doorbell", 3}};
    for (const auto& [name, value] : expected)
        EXPECT_EQ(softrdma_recorded(name), value) << name;
}

TEST(record, a_send_buffer_changed_before_its_completion_is_polled) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    p.a.send(1, {p.a.piece(0, 24)});
    *p.a.data(23) ^= std::byte{1};
    EXPECT_EQ(violations(), 0u);
    p.a.next();
    EXPECT_EQ(violations(), 1u);
    *p.a.data(23) ^= std::byte{1};
    EXPECT_EQ(violations(), 1u) << "after the completion it may";
}

TEST(record, an_unsignaled_one_counts_as_polled_with_the_next_signaled_one) {
    pair p({.all_signaled = false});
    p.b.receive(1, {p.b.piece(0, 64)});
    p.b.receive(2, {p.b.piece(64, 64)});
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND;
    p.a.send(wr, {p.a.piece(0, 8)});
    p.b.next();
    *p.a.data(0) ^= std::byte{1};  // the message has arrived; that says nothing about this side
    wr.send_flags = IBV_SEND_SIGNALED;
    p.a.send(wr, {p.a.piece(8, 8)});
    p.a.next();
    EXPECT_EQ(violations(), 1u);
}

TEST(record, a_read_destination_changed_before_its_completion_is_polled) {
    pair p;
    p.a.rdma(1, IBV_WR_RDMA_READ, p.a.piece(0, 64), p.b, 0);
    *p.a.data(5) ^= std::byte{1};
    p.a.next();
    EXPECT_EQ(violations(), 1u);
}

TEST(record, a_posted_receive_written_to_by_its_owner) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    *p.b.data(60) ^= std::byte{1};
    p.a.send(1, {p.a.piece(0, 8)});
    EXPECT_EQ(violations(), 1u);
}

TEST(record, an_arrived_message_written_to_before_it_is_polled) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    p.a.send(1, {p.a.piece(0, 8)});
    *p.b.data(60) ^= std::byte{1};  // behind the data that has arrived: allowed
    EXPECT_EQ(violations(), 0u);
    *p.b.data(7) ^= std::byte{1};
    p.b.next();
    EXPECT_EQ(violations(), 1u);
}

TEST(record, receives_that_share_a_buffer_are_the_programs_own_choice) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    p.b.receive(2, {p.b.piece(0, 64)});
    p.a.write_text(0, "first");
    p.a.write_text(8, "other");
    p.a.send(1, {p.a.piece(0, 8)});
    p.a.send(2, {p.a.piece(8, 8)});
    p.b.next();
    p.b.next();
    EXPECT_EQ(violations(), 0u);
}

TEST(record, a_work_request_changed_while_it_is_posted) {
    pair p;
    auto* const piece = reinterpret_cast<ibv_sge*>(p.a.data(0));
    *piece = p.a.piece(0, sizeof *piece);  // the READ arrives in the very list that says where
    ibv_send_wr wr{}, *bad;
    wr.sg_list = piece;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_RDMA_READ;
    wr.wr.rdma = {.remote_addr = reinterpret_cast<std::uint64_t>(p.b.data()), .rkey = p.b.mr->rkey};
    ASSERT_EQ(ibv_post_send(p.a.qp, &wr, &bad), 0);
    EXPECT_EQ(violations(), 1u);
}

TEST(record, a_region_deregistered_under_posted_work) {
    pair p;
    std::vector<std::byte> more(4096);
    ibv_mr* mr = ibv_reg_mr(p.b.pd, more.data(), more.size(), IBV_ACCESS_LOCAL_WRITE);
    p.b.receive(1, {{reinterpret_cast<std::uint64_t>(more.data()), 64, mr->lkey}});
    ibv_dereg_mr(mr);
    EXPECT_EQ(violations(), 1u);
    p.a.send(1, {p.a.piece(0, 8)});
    EXPECT_EQ(p.b.next().status, IBV_WC_LOC_PROT_ERR);
}

TEST(record, a_completion_queue_overrun) {
    pair p({}, {.completions = 2});
    for (std::uint64_t id = 0; id < 3; ++id)
        p.b.receive(id, {p.b.piece(id * 64, 64)});
    EXPECT_GE(softrdma_recorded("cq_could_overrun"), 1u) << "16 sends and 16 receives fit in no queue of 2";
    for (std::uint64_t id = 0; id < 3; ++id)
        p.a.send(id, {p.a.piece(0, 8)});
    const ibv_async_event e = p.b.event();
    EXPECT_EQ(e.event_type, IBV_EVENT_CQ_ERR);
    EXPECT_EQ(e.element.cq, p.b.cq);
    EXPECT_EQ(violations(), 1u);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// From here on a system call other than the end of the process kills it.
void forbid_system_calls() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        ::_exit(2);
}

void post_and_poll(pair& p) {
    for (std::uint64_t id = 0; id < 1000; ++id) {
        p.b.receive(id, {p.b.piece(0, 4096)});
        p.a.send(id, {p.a.piece(0, 4096)});
        p.a.rdma(id, IBV_WR_RDMA_READ, p.a.piece(8192, 4096), p.b, 8192);
        p.a.rdma(id, IBV_WR_RDMA_WRITE, p.a.piece(8192, 4096), p.b, 16384);
        ibv_wc wc[4];
        if (ibv_poll_cq(p.a.cq, 4, wc) != 3 || ibv_poll_cq(p.b.cq, 4, wc) != 1)
            ::_exit(3);
    }
}

TEST(record, posting_and_polling_within_a_process_make_no_system_call) {
    const pid_t child = ::fork();
    if (child == 0) {
        pair p;
        post_and_poll(p);  // memory that a thread touches for the first time comes by a system call
        forbid_system_calls();
        post_and_poll(p);
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

#endif

}  // namespace

}  // namespace softrdma::testing
