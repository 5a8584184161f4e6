// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/testing/fabric.h"

#include <cstring>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace causeway::rdma::test {

namespace {

fabric* the_fabric = nullptr;

}  // namespace

device_options::device_options() {
    attributes.vendor_id = 0x02c9;
    attributes.max_qp_wr = 32768;
    attributes.max_srq_wr = 32767;
    attributes.max_cqe = 1 << 20;
    attributes.max_qp_init_rd_atom = 16;
    attributes.device_cap_flags = IBV_DEVICE_MEM_MGT_EXTENSIONS;
}

fabric::fabric(core::simulation& sim, device_options o)
    : options(std::move(o)), sim_(sim), timer_(sim[0], [this] { turn(); }) {
    EXPECT_EQ(the_fabric, nullptr);
    the_fabric = this;
    std::strcpy(device_.name, "fake0");
    context.device = &device_;
    context.num_comp_vectors = 4;
    context.async_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    event_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

fabric::~fabric() {
    for (const auto& [kind, count] : objects)
        EXPECT_EQ(count, 0) << kind << " left behind";
    ::close(context.async_fd);
    ::close(event_fd);
    the_fabric = nullptr;
}

fabric& fabric::current() {
    return *the_fabric;
}

void host_end::wake() {
    fabric_->wake();
}

void host_end::disconnect() {
    if (is != state::accepted)
        return;
    is = state::closed;
    capsules_.clear();
    if (id_)
        fabric_->push_event(static_cast<fabric::fake_id&>(*id_), RDMA_CM_EVENT_DISCONNECTED);
}

void fabric::wake() {
    if (!timer_.armed())
        timer_.arm_after(core::nanoseconds(sim_.random().between(200, 20'000)));
}

bool fabric::pending() const {
    if (!events.empty() || !async_events.empty())
        return true;
    for (const auto* q : qps)
        if (!q->works.empty() || !q->completions->entries.empty())
            return true;
    for (const auto& h : hosts_)
        if (!h->capsules_.empty() && h->is == host_end::state::accepted)
            return true;
    return false;
}

void host_end::abandon() {
    disconnect();
    abandoned_ = true;
    wake();
}

/// Then everybody has a look, as cores that poll would.
void fabric::turn() {
    options.is_wide ? move_all() : move_some();
    for (const auto& h : hosts_)
        if (h->abandoned_)
            h->disconnect();
    std::erase_if(hosts_, [](const auto& h) {
        return h->abandoned_ && !h->id_ && !h->qp && h->is != host_end::state::requesting;
    });
    for (std::size_t i = 0; i < sim_.group().size(); ++i)
        sim_[i].execute([] {});
    if (pending())
        wake();
}

void fabric::move_all() {
    for (fake_qp* qp : qps)
        while (work(*qp)) {
        }
    for (const auto& h : hosts_)
        while (deliver(*h)) {
        }
}

/// A few steps at random.
void fabric::move_some() {
    for (std::uint64_t n = sim_.random().between(1, 12); n > 0; --n) {
        if (!qps.empty() && sim_.random().chance(1, 2))
            work(**std::next(qps.begin(), static_cast<std::ptrdiff_t>(sim_.random().below(qps.size()))));
        else if (!hosts_.empty())
            deliver(*hosts_[sim_.random().below(hosts_.size())]);
    }
}

host_end* fabric::request(const std::string& address, std::uint16_t port, const nvme::rdma_cm_request& private_data,
                          std::uint8_t reads, std::uint32_t from) {
    for (fake_id* l : ids) {
        if (!l->listening || l->address != address || l->port != port)
            continue;
        hosts_.push_back(std::make_unique<host_end>());
        host_end& h = *hosts_.back();
        h.fabric_ = this;
        h.memory.resize(options.host_memory);
        h.key = next_key++;
        auto* id = new fake_id;
        ++objects["id"];
        ids.insert(id);
        id->verbs = &context;
        id->context = l->context;
        id->channel = l->channel;
        id->route.addr.dst_sin = {.sin_family = AF_INET,
                                  .sin_port = htons(static_cast<std::uint16_t>(next_key)),
                                  .sin_addr = {htonl(from ? from : 0x0a010000 + next_key)},
                                  .sin_zero = {}};
        h.id_ = id;
        std::vector<std::byte> data(56);
        std::memcpy(data.data(), &private_data, sizeof private_data);
        push_event(*id, RDMA_CM_EVENT_CONNECT_REQUEST, std::move(data), reads, l);
        return &h;
    }
    return nullptr;
}

void fabric::push_event(fake_id& id, rdma_cm_event_type type, std::vector<std::byte> data, std::uint8_t reads,
                        fake_id* listener) {
    auto* e = new fake_event;
    e->id = &id;
    e->listen_id = listener;
    e->event = type;
    e->data = std::move(data);
    e->param.conn.private_data = e->data.empty() ? nullptr : e->data.data();
    e->param.conn.private_data_len = static_cast<std::uint8_t>(e->data.size());
    e->param.conn.initiator_depth = reads;
    events.push_back(e);
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(event_fd, &one, sizeof one), 8);
    wake();
}

void fabric::push_async(ibv_event_type type, ibv_qp* qp) {
    ibv_async_event e{};
    e.event_type = type;
    e.element.qp = qp;
    async_events.push_back(e);
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(context.async_fd, &one, sizeof one), 8);
    wake();
}

std::size_t fabric::receives_posted() const {
    std::size_t n = 0;
    for (const fake_srq* s : srqs)
        n += s->posted.size();
    return n;
}

void fabric::fail_device() {
    gone_ = true;
    push_async(IBV_EVENT_DEVICE_FATAL);
}

void fabric::fail_completion_queue() {
    push_async(IBV_EVENT_CQ_ERR);
}

void fabric::remove_device() {
    gone_ = true;
    for (fake_id* id : ids)
        push_event(*id, RDMA_CM_EVENT_DEVICE_REMOVAL);
}

void fabric::change_address() {
    for (fake_id* id : ids)
        if (id->listening)
            push_event(*id, RDMA_CM_EVENT_ADDR_CHANGE);
}

void fabric::complete(fake_cq& cq, const ibv_wc& wc, std::uint64_t retires) {
    EXPECT_LT(cq.entries.size(), static_cast<std::size_t>(cq.cqe)) << "the completion queue overruns";
    cq.entries.push_back({wc, retires});
    wake();
}

void fabric::close(host_end& h) {
    if (h.is == host_end::state::requesting || h.is == host_end::state::accepted)
        h.is = host_end::state::closed;
}

host_end* fabric::end_of(const rdma_cm_id* id) const {
    for (const auto& h : hosts_)
        if (h->id_ == id)
            return h.get();
    return nullptr;
}

void fabric::arrive_late(fake_qp& qp) {
    for (unsigned i = 0; i < options.backlog; ++i)
        complete(*qp.completions, ibv_wc{}, 0);
    qp.host->sends_late = false;
    while (deliver(*qp.host)) {
    }
}

void fabric::to_error(fake_qp& qp) {
    if (qp.host && qp.host->sends_late)
        arrive_late(qp);
    qp.state = IBV_QPS_ERR;
    if (qp.host)
        close(*qp.host);
    wake();
}

bool fabric::memory_is_registered(std::uint64_t address, std::uint64_t length, std::uint32_t key) const {
    const auto it = regions.find(key);
    if (it == regions.end())
        return false;
    const auto begin = reinterpret_cast<std::uint64_t>(it->second->addr);
    return address >= begin && address + length <= begin + it->second->length;
}

void fabric::finish(fake_qp& qp, const fake_qp::work& w, ibv_wc_status status) {
    if (status == IBV_WC_SUCCESS && !(w.request.send_flags & IBV_SEND_SIGNALED))
        return;
    ibv_wc wc{};
    wc.wr_id = w.request.wr_id;
    wc.status = status;
    wc.qp_num = qp.qp_num;
    complete(*qp.completions, wc, w.sequence);
}

ibv_wc_status fabric::move(fake_qp& qp, const fake_qp::work& w) {
    host_end& h = *qp.host;
    const bool inlined = w.request.send_flags & IBV_SEND_INLINE;
    auto* here = inlined ? const_cast<std::byte*>(w.inlined.data()) : reinterpret_cast<std::byte*>(w.piece.addr);
    if (!inlined && !memory_is_registered(w.piece.addr, w.piece.length, w.piece.lkey)) {
        ADD_FAILURE() << "work on memory that is not registered";
        return IBV_WC_LOC_PROT_ERR;
    }
    if (w.request.opcode == IBV_WR_SEND || w.request.opcode == IBV_WR_SEND_WITH_INV) {
        host_end::response r{};
        EXPECT_EQ(w.piece.length, sizeof r.completion);
        std::memcpy(&r.completion, here, sizeof r.completion);
        if (w.request.opcode == IBV_WR_SEND_WITH_INV)
            r.invalidated = w.request.invalidate_rkey;
        h.responses.push_back(r);
        return IBV_WC_SUCCESS;
    }
    const std::uint64_t there = w.request.wr.rdma.remote_addr;
    if (w.request.wr.rdma.rkey != h.key || there < h.address() ||
        there + w.piece.length > h.address() + h.memory.size())
        return IBV_WC_REM_ACCESS_ERR;
    ++data_moved;
    std::byte* const host = h.memory.data() + (there - h.address());
    if (w.request.opcode == IBV_WR_RDMA_READ)
        std::memcpy(here, host, w.piece.length);
    else
        std::memcpy(host, here, w.piece.length);
    return IBV_WC_SUCCESS;
}

/// The next work request of a queue pair. False: nothing to do, or not now.
bool fabric::work(fake_qp& qp) {
    if (qp.works.empty() || gone_)
        return false;
    const fake_qp::work& next = qp.works.front();
    const bool is_send = next.request.opcode == IBV_WR_SEND || next.request.opcode == IBV_WR_SEND_WITH_INV;
    if (qp.state != IBV_QPS_ERR && is_send && qp.host && !qp.host->takes_responses)
        return false;
    const fake_qp::work w = std::move(qp.works.front());
    qp.works.pop_front();
    if (w.request.opcode == IBV_WR_RDMA_READ)
        --qp.reads_posted;
    if (qp.state == IBV_QPS_ERR) {
        finish(qp, w, IBV_WC_WR_FLUSH_ERR);
        return true;
    }
    const bool reachable = qp.host && qp.host->is == host_end::state::accepted;
    const ibv_wc_status status = reachable ? move(qp, w) : IBV_WC_RETRY_EXC_ERR;
    finish(qp, w, status);
    if (status != IBV_WC_SUCCESS)
        to_error(qp);
    return true;
}

/// The next capsule of a host.
bool fabric::deliver(host_end& h) {
    if (h.capsules_.empty() || h.sends_late || h.is != host_end::state::accepted || !h.qp || gone_)
        return false;
    fake_qp& qp = *h.qp;
    if (qp.state == IBV_QPS_ERR)
        return false;
    fake_srq& srq = *qp.receives;
    if (srq.posted.empty()) {
        ++h.not_ready;
        return false;
    }
    const ibv_recv_wr receive = srq.posted.front();
    srq.posted.pop_front();
    const ibv_sge piece = srq.pieces[receive.wr_id];
    const auto capsule = std::move(h.capsules_.front());
    h.capsules_.pop_front();
    ibv_wc wc{};
    wc.wr_id = receive.wr_id;
    wc.qp_num = qp.qp_num;
    wc.opcode = IBV_WC_RECV;
    if (capsule.size() > piece.length) {
        wc.status = IBV_WC_LOC_LEN_ERR;
        complete(*qp.completions, wc, 0);
        to_error(qp);
        return true;
    }
    EXPECT_TRUE(memory_is_registered(piece.addr, piece.length, piece.lkey));
    if (!capsule.empty())
        std::memcpy(reinterpret_cast<void*>(piece.addr), capsule.data(), capsule.size());
    wc.byte_len = static_cast<std::uint32_t>(capsule.size());
    complete(*qp.completions, wc, 0);
    return true;
}

/// A host whose request is never answered sees that, too.
void fabric::forget(rdma_cm_id* id) {
    if (host_end* h = end_of(id)) {
        close(*h);
        h->id_ = nullptr;
    }
}

void fabric::forget(fake_qp& qp) {
    qps.erase(&qp);
    if (qp.host) {
        close(*qp.host);
        qp.host->qp = nullptr;
    }
    std::erase_if(async_events, [&](const ibv_async_event& e) { return e.element.qp == &qp; });
    if (options.cleans_up_on_destroy)
        std::erase_if(qp.completions->entries, [&](const fake_cq::entry& e) { return e.wc.qp_num == qp.qp_num; });
}

}  // namespace causeway::rdma::test
