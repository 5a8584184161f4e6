// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/host_queue.h"

#include "nvme/rdma.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace causeway::fuzz {

namespace {

void need(bool there, const char* what) {
    if (!there)
        fail(fmt::format("{}: {}", what, std::strerror(errno)));
}

constexpr int remote_access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;

}  // namespace

host_memory::host_memory() : data_(size) {
    int n = 0;
    ibv_context** const devices = rdma_get_devices(&n);
    need(devices && n > 0, "no RDMA device");
    pd_ = ibv_alloc_pd(devices[0]);
    need(pd_, "ibv_alloc_pd");
    rdma_free_devices(devices);
    renew_key();
}

void host_memory::renew_key() {
    if (mr_)
        ibv_dereg_mr(mr_);
    mr_ = ibv_reg_mr(pd_, data_.data(), data_.size(), remote_access);
    need(mr_, "ibv_reg_mr");
}

host_queue::host_queue(gateway& g, host_memory& memory, std::uint16_t qid, std::uint16_t depth, std::uint16_t cntlid)
    : gateway_(g), memory_(memory), depth_(depth), sends_(send_slots * longest_capsule),
      receives_(receive_slots * sizeof(nvme::completion)), counts_(1 << 16) {
    for (std::uint32_t i = 0; i < send_slots; ++i)
        free_sends_.push_back(i);
    connect(qid, cntlid);
}

rdma_cm_event* host_queue::wait_event() {
    rdma_cm_event* e = nullptr;
    need(gateway_.wait([&] { return rdma_get_cm_event(channel_, &e) == 0; }), "nothing from the connection manager");
    return e;
}

void host_queue::connect(std::uint16_t qid, std::uint16_t cntlid) {
    channel_ = rdma_create_event_channel();
    need(channel_ && rdma_create_id(channel_, &id_, nullptr, RDMA_PS_TCP) == 0, "rdma_create_id");
    ::fcntl(channel_->fd, F_SETFL, ::fcntl(channel_->fd, F_GETFL) | O_NONBLOCK);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(rdma_port);
    ::inet_pton(AF_INET, gateway::address, &at.sin_addr);

    const auto step = [&](rdma_cm_event_type wanted) {
        rdma_cm_event* const e = wait_event();
        const auto got = e->event;
        rdma_ack_cm_event(e);
        if (got != wanted)
            fail(fmt::format("{} instead of {} while queue {} connects", rdma_event_str(got), rdma_event_str(wanted),
                             qid));
    };
    need(rdma_resolve_addr(id_, nullptr, reinterpret_cast<sockaddr*>(&at), 2000) == 0, "rdma_resolve_addr");
    step(RDMA_CM_EVENT_ADDR_RESOLVED);
    need(rdma_resolve_route(id_, 2000) == 0, "rdma_resolve_route");
    step(RDMA_CM_EVENT_ROUTE_RESOLVED);
    make_queue_pair();

    nvme::rdma_cm_request request{};
    request.qid = qid;
    request.hrqsize = depth_;
    request.hsqsize = static_cast<std::uint16_t>(depth_ - 1);
    request.cntlid = cntlid;
    rdma_conn_param p{};
    p.private_data = &request;
    p.private_data_len = sizeof request;
    p.responder_resources = 4;
    p.retry_count = p.rnr_retry_count = 7;
    need(rdma_connect(id_, &p) == 0, "rdma_connect");
    step(RDMA_CM_EVENT_ESTABLISHED);
}

void host_queue::make_queue_pair() {
    cq_ = ibv_create_cq(id_->verbs, send_slots + receive_slots, nullptr, nullptr, 0);
    need(cq_, "ibv_create_cq");
    sends_mr_ = ibv_reg_mr(memory_.pd(), sends_.data(), sends_.size(), 0);
    receives_mr_ = ibv_reg_mr(memory_.pd(), receives_.data(), receives_.size(), IBV_ACCESS_LOCAL_WRITE);
    need(sends_mr_ && receives_mr_, "ibv_reg_mr");
    ibv_qp_init_attr a{};
    a.send_cq = a.recv_cq = cq_;
    a.qp_type = IBV_QPT_RC;
    a.sq_sig_all = 1;
    a.cap.max_send_wr = send_slots;
    a.cap.max_recv_wr = receive_slots;
    a.cap.max_send_sge = a.cap.max_recv_sge = 1;
    need(rdma_create_qp(id_, memory_.pd(), &a) == 0, "rdma_create_qp");
    for (std::uint32_t i = 0; i < receive_slots; ++i)
        post_receive(i);
}

host_queue::~host_queue() {
    rdma_disconnect(id_);
    poll();  // for the count of receives
    rdma_destroy_qp(id_);
    ibv_dereg_mr(sends_mr_);
    ibv_dereg_mr(receives_mr_);
    ibv_destroy_cq(cq_);
    rdma_destroy_id(id_);
    rdma_destroy_event_channel(channel_);
}

void host_queue::post_receive(std::uint32_t slot) {
    ibv_sge piece{reinterpret_cast<std::uint64_t>(receives_.data()) + slot * sizeof(nvme::completion),
                  sizeof(nvme::completion), receives_mr_->lkey};
    ibv_recv_wr wr{}, *bad;
    wr.wr_id = slot;
    wr.sg_list = &piece;
    wr.num_sge = 1;
    ibv_post_recv(id_->qp, &wr, &bad);
}

bool host_queue::send(std::span<const std::byte> capsule) {
    if (free_sends_.empty())
        poll();
    if (closed_ || free_sends_.empty())
        return false;
    const std::uint32_t slot = free_sends_.back();
    free_sends_.pop_back();
    std::byte* const at = sends_.data() + slot * longest_capsule;
    std::copy(capsule.begin(), capsule.end(), at);
    ++outstanding_;
    if (capsule.size() >= sizeof(nvme::command)) {
        nvme::le16 cid;
        std::memcpy(&cid, capsule.data() + offsetof(nvme::command, cid), sizeof cid);
        ++counts_[cid];
    } else {
        ++short_;
    }
    ibv_sge piece{reinterpret_cast<std::uint64_t>(at), static_cast<std::uint32_t>(capsule.size()), sends_mr_->lkey};
    ibv_send_wr wr{}, *bad;
    wr.wr_id = send_mark | slot;
    wr.sg_list = &piece;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_SEND;
    need(ibv_post_send(id_->qp, &wr, &bad) == 0, "ibv_post_send");
    return true;
}

unsigned host_queue::poll() {
    std::array<ibv_wc, 32> done;
    const int n = ibv_poll_cq(cq_, static_cast<int>(done.size()), done.data());
    for (int i = 0; i < n; ++i) {
        const ibv_wc& wc = done[static_cast<std::size_t>(i)];
        if (wc.wr_id & send_mark) {
            free_sends_.push_back(static_cast<std::uint32_t>(wc.wr_id));
            // One that is too long for its receive takes it all the same.
            if (wc.status == IBV_WC_SUCCESS || wc.status == IBV_WC_REM_INV_REQ_ERR)
                ++memory_.receives_taken;
        }
        if (wc.status != IBV_WC_SUCCESS)
            closed_ = true;
        else if (!(wc.wr_id & send_mark))
            answered(wc);
    }
    return n > 0 ? static_cast<unsigned>(n) : 0;
}

void host_queue::answered(const ibv_wc& wc) {
    if (wc.byte_len != sizeof(nvme::completion))
        fail(fmt::format("a response of {} bytes", wc.byte_len));
    nvme::completion c;
    std::memcpy(&c, receives_.data() + wc.wr_id * sizeof c, sizeof c);
    post_receive(static_cast<std::uint32_t>(wc.wr_id));
    if (counts_[c.cid] == 0)
        fail(fmt::format("a response to command {:#x}, which is not outstanding", c.cid.value()));
    --counts_[c.cid];
    --outstanding_;
    if (expected_cid_ == c.cid.value()) {
        answer_ = c;
        expected_cid_.reset();
    }
    if (wc.wc_flags & IBV_WC_WITH_INV) {
        if (wc.invalidated_rkey != memory_.key())
            fail(fmt::format("key {:#x} is invalidated, which is not the memory's", wc.invalidated_rkey));
        invalidated_ = true;
    }
}

void host_queue::look_at_events() {
    rdma_cm_event* e;
    while (rdma_get_cm_event(channel_, &e) == 0) {
        if (e->event != RDMA_CM_EVENT_ESTABLISHED)
            closed_ = true;
        rdma_ack_cm_event(e);
    }
}

std::uint16_t host_queue::free_cid() const noexcept {
    std::uint16_t cid = 0xf000;
    while (counts_[cid])
        ++cid;
    return cid;
}

std::uint16_t host_queue::outstanding_cid() const noexcept {
    std::uint16_t cid = 0;
    while (!counts_[cid])
        ++cid;
    return cid;
}

void host_queue::expect(std::uint16_t cid) noexcept {
    expected_cid_ = cid;
    answer_.reset();
}

}  // namespace causeway::fuzz
