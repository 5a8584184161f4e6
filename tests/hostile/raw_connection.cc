// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/raw_connection.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace causeway::hostile {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t longest_capsule = 16384;
constexpr std::uint32_t send_slots = 1024;
constexpr std::uint64_t send_mark = 1ull << 63;

}  // namespace

std::variant<std::unique_ptr<raw_connection>, std::uint16_t> raw_connection::open(const endpoint& at, const ask& what) {
    std::unique_ptr<raw_connection> c(new raw_connection(at));
    c->make_queue_pair(what);
    if (const auto rejected = c->cm_.connect(what)) {
        c->closed_ = true;
        return *rejected;
    }
    return c;
}

void raw_connection::make_queue_pair(const ask& what) {
    pd_ = ibv_alloc_pd(cm_.id()->verbs);
    cq_ = pd_ ? ibv_create_cq(cm_.id()->verbs, 4096, nullptr, nullptr, 0) : nullptr;
    if (!cq_)
        fail("ibv_create_cq");
    memory_.resize(memory_size);
    sends_.resize(send_slots * 64 + longest_capsule);
    receives_.resize(std::max(what.receives, 1u) * sizeof(nvme::completion));
    remote_ = ibv_reg_mr(pd_, memory_.data(), memory_.size(),
                         IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
    send_mr_ = ibv_reg_mr(pd_, sends_.data(), sends_.size(), 0);
    receive_mr_ = ibv_reg_mr(pd_, receives_.data(), receives_.size(), IBV_ACCESS_LOCAL_WRITE);
    if (!remote_ || !send_mr_ || !receive_mr_)
        fail("ibv_reg_mr");
    ibv_qp_init_attr a{};
    a.send_cq = a.recv_cq = cq_;
    a.qp_type = IBV_QPT_RC;
    a.sq_sig_all = 1;
    a.cap = {.max_send_wr = send_slots,
             .max_recv_wr = what.receives + 1,
             .max_send_sge = 1,
             .max_recv_sge = 1,
             .max_inline_data = 0};
    if (rdma_create_qp(cm_.id(), pd_, &a) != 0)
        fail("rdma_create_qp");
    for (std::uint32_t i = 0; i < what.receives; ++i)
        post_receive(i);
}

raw_connection::~raw_connection() {
    if (cm_.id()->qp)
        rdma_destroy_qp(cm_.id());
    for (ibv_mr* mr : {remote_, send_mr_, receive_mr_})
        if (mr)
            ibv_dereg_mr(mr);
    if (cq_)
        ibv_destroy_cq(cq_);
    if (pd_)
        ibv_dealloc_pd(pd_);
}

void raw_connection::post_receive(std::uint32_t i) {
    ibv_sge piece{reinterpret_cast<std::uint64_t>(receives_.data() + i * sizeof(nvme::completion)),
                  sizeof(nvme::completion), receive_mr_->lkey};
    ibv_recv_wr wr{}, *bad;
    wr.wr_id = i;
    wr.sg_list = &piece;
    wr.num_sge = 1;
    ibv_post_recv(cm_.id()->qp, &wr, &bad);
}

bool raw_connection::send(std::span<const std::byte> capsule) {
    if (closed_)
        return false;
    // Long capsules share one slot at the end: the sender waits for the response before it sends another.
    std::byte* at = sends_.data() +
                    (capsule.size() <= 64 ? std::size_t{next_send_++ % send_slots} * 64 : std::size_t{send_slots} * 64);
    if (capsule.size() > longest_capsule)
        throw unexpected("capsule too long for this client");
    std::copy(capsule.begin(), capsule.end(), at);
    ibv_sge piece{reinterpret_cast<std::uint64_t>(at), static_cast<std::uint32_t>(capsule.size()), send_mr_->lkey};
    ibv_send_wr wr{}, *bad;
    wr.wr_id = send_mark;
    wr.sg_list = &piece;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = IBV_SEND_SIGNALED;
    for (int i = 0; ibv_post_send(cm_.id()->qp, &wr, &bad) != 0; ++i) {
        look();
        if (closed_ || i > 1000)
            return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

void raw_connection::look() {
    std::array<ibv_wc, 32> done;
    for (;;) {
        const int n = ibv_poll_cq(cq_, static_cast<int>(done.size()), done.data());
        if (n <= 0)
            break;
        for (int i = 0; i < n; ++i) {
            const ibv_wc& wc = done[static_cast<std::size_t>(i)];
            if (wc.status != IBV_WC_SUCCESS) {
                closed_ = true;
            } else if (!(wc.wr_id & send_mark)) {
                nvme::completion c;
                std::memcpy(&c, receives_.data() + wc.wr_id * sizeof c, sizeof c);
                arrived_.push_back(c);
                ++responses_;
                post_receive(static_cast<std::uint32_t>(wc.wr_id));
            }
        }
    }
    if (cm_.is_over())
        closed_ = true;
}

std::optional<nvme::completion> raw_connection::take() {
    look();
    if (arrived_.empty())
        return std::nullopt;
    const nvme::completion c = arrived_.front();
    arrived_.pop_front();
    return c;
}

std::optional<nvme::completion> raw_connection::receive() {
    const auto end = clock::now() + at_.patience;
    while (clock::now() < end) {
        if (const auto c = take())
            return c;
        if (closed_)
            return std::nullopt;
        std::this_thread::sleep_for(200us);
    }
    throw unexpected("neither a response nor the end of the connection");
}

bool raw_connection::closes_within(milliseconds time) {
    const auto end = clock::now() + time;
    while (clock::now() < end) {
        look();
        arrived_.clear();
        if (closed_)
            return true;
        std::this_thread::sleep_for(1ms);
    }
    return false;
}

void raw_connection::expect_closed() {
    if (!closes_within(at_.patience))
        throw unexpected("the target keeps the connection");
}

void raw_connection::disconnect() {
    cm_.disconnect();
    closed_ = true;
}

void raw_connection::vanish() {
    ibv_qp_attr a{};
    a.qp_state =
        IBV_QPS_ERR;  // packets are dropped from here on; RESET would be nearer, but upsets soft-RoCE's own counts
    ibv_modify_qp(cm_.id()->qp, &a, IBV_QP_STATE);
    closed_ = true;
}

}  // namespace causeway::hostile
