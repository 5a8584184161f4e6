// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/operations.h"

#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/srq.h"

namespace softrdma {

namespace {

int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) {
    const ibv_send_wr* refused;
    const int rc = queue_pair::of(qp).post_send(wr, &refused);
    *bad = const_cast<ibv_send_wr*>(refused);
    return rc;
}

int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
    const ibv_recv_wr* refused;
    const int rc = queue_pair::of(qp).post_receive(wr, &refused);
    *bad = const_cast<ibv_recv_wr*>(refused);
    return rc;
}

// Between wr_start and wr_complete work requests are built one after the other; wr_id and wr_flags are the caller's
// fields.

ibv_send_wr& begin(ibv_qp_ex* ex, ibv_wr_opcode opcode) {
    queue_pair& q = *static_cast<queue_pair*>(ex);
    ibv_send_wr wr{};
    wr.wr_id = ex->wr_id;
    wr.send_flags = ex->wr_flags;
    wr.opcode = opcode;
    return q.building.emplace_back(wr).wr;
}

void begin_rdma(ibv_qp_ex* ex, ibv_wr_opcode opcode, std::uint32_t rkey, std::uint64_t address) {
    begin(ex, opcode).wr.rdma = {.remote_addr = address, .rkey = rkey};
}

void add_piece(ibv_qp_ex* ex, const ibv_sge& piece) {
    static_cast<queue_pair*>(ex)->building.back().pieces.push_back(piece);
}

void add_inline(ibv_qp_ex* ex, const void* data, std::size_t length) {
    auto& b = static_cast<queue_pair*>(ex)->building.back();
    const auto* bytes = static_cast<const std::byte*>(data);
    const auto& copy = b.inline_data.emplace_back(bytes, bytes + length);
    b.wr.send_flags |= IBV_SEND_INLINE;
    b.pieces.push_back({reinterpret_cast<std::uint64_t>(copy.data()), static_cast<std::uint32_t>(length), 0});
}

int post_built(ibv_qp_ex* ex) {
    queue_pair& q = *static_cast<queue_pair*>(ex);
    ibv_send_wr* next = nullptr;
    for (auto b = q.building.rbegin(); b != q.building.rend(); ++b) {
        b->wr.sg_list = b->pieces.data();
        b->wr.num_sge = static_cast<int>(b->pieces.size());
        b->wr.next = next;
        next = &b->wr;
    }
    const ibv_send_wr* bad;
    const int rc = next ? q.post_send(next, &bad) : 0;
    q.building.clear();
    return rc;
}

}  // namespace

void set_operations(context& c) {
    c.query_port = query_port;
    c.create_qp_ex = create_qp_ex;
    ibv_context_ops& ops = c.verbs_context::context.ops;
    ops.poll_cq = poll_cq;
    ops.req_notify_cq = request_notification;
    ops.post_srq_recv = post_srq_receive;
    ops.post_send = post_send;
    ops.post_recv = post_recv;
}

void set_extended_operations(queue_pair& q) {
    q.wr_start = [](ibv_qp_ex* ex) { static_cast<queue_pair*>(ex)->building.clear(); };
    q.wr_complete = post_built;
    q.wr_abort = [](ibv_qp_ex* ex) { static_cast<queue_pair*>(ex)->building.clear(); };
    q.wr_send = [](ibv_qp_ex* ex) { begin(ex, IBV_WR_SEND); };
    q.wr_send_imm = [](ibv_qp_ex* ex, __be32 data) { begin(ex, IBV_WR_SEND_WITH_IMM).imm_data = data; };
    q.wr_send_inv = [](ibv_qp_ex* ex, std::uint32_t key) { begin(ex, IBV_WR_SEND_WITH_INV).invalidate_rkey = key; };
    q.wr_local_inv = [](ibv_qp_ex* ex, std::uint32_t key) { begin(ex, IBV_WR_LOCAL_INV).invalidate_rkey = key; };
    q.wr_rdma_read = [](ibv_qp_ex* ex, std::uint32_t key, std::uint64_t address) {
        begin_rdma(ex, IBV_WR_RDMA_READ, key, address);
    };
    q.wr_rdma_write = [](ibv_qp_ex* ex, std::uint32_t key, std::uint64_t address) {
        begin_rdma(ex, IBV_WR_RDMA_WRITE, key, address);
    };
    q.wr_rdma_write_imm = [](ibv_qp_ex* ex, std::uint32_t key, std::uint64_t address, __be32 data) {
        begin_rdma(ex, IBV_WR_RDMA_WRITE_WITH_IMM, key, address);
        static_cast<queue_pair*>(ex)->building.back().wr.imm_data = data;
    };
    q.wr_set_sge = [](ibv_qp_ex* ex, std::uint32_t key, std::uint64_t address, std::uint32_t length) {
        add_piece(ex, {address, length, key});
    };
    q.wr_set_sge_list = [](ibv_qp_ex* ex, std::size_t n, const ibv_sge* list) {
        for (std::size_t i = 0; i < n; ++i)
            add_piece(ex, list[i]);
    };
    q.wr_set_inline_data = [](ibv_qp_ex* ex, void* data, std::size_t length) { add_inline(ex, data, length); };
    q.wr_set_inline_data_list = [](ibv_qp_ex* ex, std::size_t n, const ibv_data_buf* list) {
        for (std::size_t i = 0; i < n; ++i)
            add_inline(ex, list[i].addr, list[i].length);
    };
}

}  // namespace softrdma
