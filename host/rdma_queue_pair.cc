// SPDX-License-Identifier: Apache-2.0
#include "host/rdma_queue_pair.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>

namespace causeway::host {

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint64_t send_mark = 1ull << 63;

// Command identifiers: the slot, and above it a number that changes, so that a late or doubled response is noticed.
constexpr unsigned slot_bits = 12;
constexpr unsigned slot_mask = (1u << slot_bits) - 1;

}  // namespace

bool rdma_queue_pair::region::allocate(ibv_pd* pd, std::size_t bytes) {
    if (size >= bytes && mr)
        return true;
    release();
    size = (bytes + page - 1) / page * page;
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(page, size)));
    if (memory) {
        std::memset(memory.get(), 0, size);
        mr = ibv_reg_mr(pd, memory.get(), size,
                        IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
    }
    return mr != nullptr;
}

void rdma_queue_pair::region::release() noexcept {
    if (mr)
        ibv_dereg_mr(std::exchange(mr, nullptr));
    memory.reset();
    size = 0;
}

rdma_queue_pair::rdma_queue_pair(std::unique_ptr<rdma_cm> cm, const queue_pair_options& o)
    : queue_pair(o.depth), options_(o), cm_(std::move(cm)), slots_(o.depth) {
    for (unsigned i = 0; i < o.depth; ++i) {
        slots_[i].cid = static_cast<std::uint16_t>(i);
        free_.push_back(static_cast<std::uint16_t>(o.depth - 1 - i));
    }
}

core::result<std::unique_ptr<rdma_queue_pair>> rdma_queue_pair::make(std::unique_ptr<rdma_cm> cm,
                                                                     const queue_pair_options& o) {
    std::unique_ptr<rdma_queue_pair> q(new rdma_queue_pair(std::move(cm), o));
    if (auto made = q->make_resources(); !made)
        return tl::make_unexpected(made.error());
    return q;
}

core::result<> rdma_queue_pair::make_resources() {
    const auto failed = [](const char* what) {
        return core::fail(errno, fmt::format("{}: {}", what, std::strerror(errno)));
    };
    ibv_context* const device = cm_->id()->verbs;
    pd_ = ibv_alloc_pd(device);
    channel_ = ibv_create_comp_channel(device);
    if (!pd_ || !channel_)
        return failed("ibv_alloc_pd");
    ::fcntl(channel_->fd, F_SETFL, ::fcntl(channel_->fd, F_GETFL) | O_NONBLOCK);
    cq_ = ibv_create_cq(device, static_cast<int>(2 * (depth_ + spare)), nullptr, channel_, 0);
    if (!cq_)
        return failed("ibv_create_cq");
    if (!wire_.allocate(pd_, depth_ * sizeof(nvme::command) + (depth_ + spare) * sizeof(nvme::completion)))
        return failed("ibv_reg_mr");
    ibv_qp_init_attr a{};
    a.send_cq = a.recv_cq = cq_;
    a.qp_type = IBV_QPT_RC;
    a.cap = {.max_send_wr = depth_ + spare,
             .max_recv_wr = depth_ + spare,
             .max_send_sge = 1 + max_pieces,
             .max_recv_sge = 1,
             .max_inline_data = 0};
    if (rdma_create_qp(cm_->id(), pd_, &a) != 0)
        return failed("rdma_create_qp");
    receives_.resize(depth_ + spare);
    receive_pieces_.resize(receives_.size());
    for (unsigned i = 0; i < receives_.size(); ++i)
        post_receive(i);
    flush();
    return {};
}

rdma_queue_pair::~rdma_queue_pair() {
    close();
    registration_.reset();
    watch_.reset();
    for (ibv_mr* mr : memory_)
        ibv_dereg_mr(mr);
    for (slot& s : slots_)
        s.copy.release();
    wire_.release();
    if (cq_) {
        take_channel_events();  // all events must be acknowledged before
        ibv_destroy_cq(cq_);
    }
    if (channel_)
        ibv_destroy_comp_channel(channel_);
    cm_->on_over = nullptr;
    if (pd_)
        ibv_dealloc_pd(pd_);
}

core::task<core::result<>> rdma_queue_pair::connect() {
    core::reactor& r = *core::reactor::current();
    watch_.emplace(r, channel_->fd, EPOLLIN, [this](std::uint32_t) {
        take_channel_events();
        poll(~0u);
    });
    registration_ = core::poller_registration(r, "host_rdma", *this);
    cm_->on_over = [this](const char*) { lose("the controller closed the connection"); };
    if (auto connected = co_await cm_->connect(options_); !connected)
        co_return connected;
    open_ = !is_lost_;
    if (!open_)
        co_return core::fail(ECONNRESET, trouble_);
    co_return core::result<>{};
}

bool rdma_queue_pair::use_memory(std::span<std::byte> memory) {
    ibv_mr* const mr = ibv_reg_mr(pd_, memory.data(), memory.size(),
                                  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
    if (mr)
        memory_.push_back(mr);
    return mr != nullptr;
}

const ibv_mr* rdma_queue_pair::region_of(const iovec& piece) const noexcept {
    const auto* const at = static_cast<const std::byte*>(piece.iov_base);
    for (const ibv_mr* mr : memory_) {
        const auto* const begin = static_cast<const std::byte*>(mr->addr);
        if (at >= begin && piece.iov_len <= mr->length && at + piece.iov_len <= begin + mr->length)
            return mr;
    }
    return nullptr;
}

bool rdma_queue_pair::submit(request& r) noexcept {
    if (!open_ || free_.empty())
        return false;
    const unsigned i = free_.back();
    slot& s = slots_[i];
    s.r = &r;
    s.is_sent = s.is_answered = false;
    nvme::command& c = *capsule(i);
    r.command.cid = s.cid;
    c = r.command;
    c.flags = static_cast<std::uint8_t>(nvme::to_underlying(nvme::psdt::sgl) << 6 | (c.flags & 3));
    s.pieces[0] = {reinterpret_cast<std::uint64_t>(&c), sizeof c, wire_.mr->lkey};
    s.send = {};
    s.send.num_sge = 1;
    if (!describe_data(s, c)) {
        s.r = nullptr;
        return false;
    }
    free_.pop_back();
    ++outstanding_;
    s.send.wr_id = send_mark | i;
    s.send.sg_list = s.pieces;
    s.send.opcode = IBV_WR_SEND;
    s.send.send_flags = IBV_SEND_SIGNALED;
    (first_send_ ? last_send_->next : first_send_) = &s.send;
    last_send_ = &s.send;
    return true;
}

/// False: no memory for a copy is left.
bool rdma_queue_pair::describe_data(slot& s, nvme::command& c) noexcept {
    request& r = *s.r;
    const auto way = r.direction();
    const std::uint32_t bytes = r.data_bytes();
    s.is_copied = false;
    if (way == nvme::data_transfer::none || bytes == 0) {
        // A keyed descriptor of nothing, in fabrics commands, too, where it is reserved: Linux's target looks at it in
        // every command.
        c.sgl = nvme::sgl_descriptor::keyed_data_block(0, 0, 0);
        return true;
    }
    const ibv_mr* mr = r.data.size() == 1 ? region_of(r.data[0]) : nullptr;
    std::uint64_t at = reinterpret_cast<std::uint64_t>(r.data[0].iov_base);
    if (!mr) {
        if (!s.copy.allocate(pd_, bytes))
            return false;
        s.is_copied = true;
        mr = s.copy.mr;
        at = reinterpret_cast<std::uint64_t>(s.copy.memory.get());
        if (way == nvme::data_transfer::host_to_controller)
            r.gather(s.copy.memory.get());
    }
    if (way == nvme::data_transfer::host_to_controller && bytes <= options_.in_capsule_data) {
        c.sgl = nvme::sgl_descriptor::data_block(0, bytes, nvme::sgl_subtype::offset);
        s.pieces[s.send.num_sge++] = {at, bytes, mr->lkey};
    } else {
        c.sgl = nvme::sgl_descriptor::keyed_data_block(at, bytes, mr->rkey);
    }
    return true;
}

void rdma_queue_pair::post_receive(unsigned i) noexcept {
    receive_pieces_[i] = {reinterpret_cast<std::uint64_t>(response(i)), sizeof(nvme::completion), wire_.mr->lkey};
    ibv_recv_wr& wr = receives_[i];
    wr = {};
    wr.wr_id = i;
    wr.sg_list = &receive_pieces_[i];
    wr.num_sge = 1;
    (first_receive_ ? last_receive_->next : first_receive_) = &wr;
    last_receive_ = &wr;
}

void rdma_queue_pair::flush() noexcept {
    if (is_lost_)
        return;
    if (first_receive_) {  // receives first: the responses to the sends need them
        ibv_recv_wr* bad;
        if (ibv_post_recv(cm_->id()->qp, std::exchange(first_receive_, nullptr), &bad) != 0)
            return lose("cannot post a receive");
    }
    if (first_send_) {
        ibv_send_wr* bad;
        if (ibv_post_send(cm_->id()->qp, std::exchange(first_send_, nullptr), &bad) != 0)
            return lose("cannot post a send");
    }
}

unsigned rdma_queue_pair::poll(unsigned) noexcept {
    std::array<ibv_wc, 64> done;
    finished_ = 0;
    while (!is_lost_) {
        const int n = ibv_poll_cq(cq_, static_cast<int>(done.size()), done.data());
        if (n < 0)
            lose("ibv_poll_cq fails");
        for (int i = 0; i < n && !is_lost_; ++i)
            take(done[static_cast<std::size_t>(i)]);
        if (n < static_cast<int>(done.size()))
            break;
    }
    return finished_;
}

void rdma_queue_pair::take(const ibv_wc& wc) noexcept {
    if (wc.status == IBV_WC_WR_FLUSH_ERR) {
        lose("the controller closed the connection");
    } else if (wc.status != IBV_WC_SUCCESS) {
        lose(ibv_wc_status_str(wc.status));
    } else if (wc.wr_id & send_mark) {
        slot& s = slots_[wc.wr_id & ~send_mark];
        s.is_sent = true;
        complete_if_done(s);
    } else if (wc.byte_len != sizeof(nvme::completion)) {
        lose(fmt::format("a response of {} bytes", wc.byte_len));
    } else {
        take_response(static_cast<unsigned>(wc.wr_id));
    }
}

void rdma_queue_pair::take_response(unsigned receive) noexcept {
    const nvme::completion c = *response(receive);
    post_receive(receive);
    const unsigned i = c.cid & slot_mask;
    if (i >= slots_.size() || slots_[i].cid != c.cid || !slots_[i].r || slots_[i].is_answered)
        return lose(fmt::format("the controller answered command {:#06x}, which is not outstanding", c.cid.value()));
    slots_[i].answer = c;
    slots_[i].is_answered = true;
    complete_if_done(slots_[i]);
}

void rdma_queue_pair::complete_if_done(slot& s) noexcept {
    if (s.is_sent && s.is_answered && s.r)
        finish(s);
}

void rdma_queue_pair::finish(slot& s) noexcept {
    request& r = *std::exchange(s.r, nullptr);
    if (s.is_copied && r.direction() == nvme::data_transfer::controller_to_host)
        r.scatter(s.copy.memory.get());
    r.completion = s.answer;
    free_.push_back(static_cast<std::uint16_t>(s.cid & slot_mask));
    s.cid = static_cast<std::uint16_t>(s.cid + slot_mask + 1);
    --outstanding_;
    ++finished_;
    r.done(r);
}

bool rdma_queue_pair::arm() noexcept {
    if (is_lost_)
        return true;
    if (first_send_ || first_receive_ || ibv_req_notify_cq(cq_, 0) != 0)
        return false;
    // A completion that came before the arming causes no event.
    return poll(~0u) == 0 && !first_receive_;
}

void rdma_queue_pair::take_channel_events() noexcept {
    ibv_cq* cq;
    void* context;
    unsigned events = 0;
    while (ibv_get_cq_event(channel_, &cq, &context) == 0)
        ++events;
    if (events)
        ibv_ack_cq_events(cq_, events);
}

void rdma_queue_pair::close() noexcept {
    on_lost = nullptr;
    lose({});
}

void rdma_queue_pair::lose(std::string why) noexcept {
    if (is_lost_)
        return;
    is_lost_ = true;
    const bool was_open = std::exchange(open_, false);
    trouble_ = std::move(why);
    if (was_open)
        cm_->disconnect();
    // From here on the memory of requests is not accessed: only then are they released.
    if (cm_->id() && cm_->id()->qp)
        rdma_destroy_qp(cm_->id());
    for (slot& s : slots_) {
        if (!s.r)
            continue;
        s.answer = lost_completion();
        s.is_copied = false;
        finish(s);
    }
    if (was_open)
        if (auto tell = std::exchange(on_lost, nullptr))
            tell();
}

core::task<core::result<std::unique_ptr<queue_pair>>> rdma_connector::open(queue_pair_options o) {
    auto cm = std::make_unique<rdma_cm>(timeout_);
    if (auto found = co_await cm->resolve(address_); !found)
        co_return tl::make_unexpected(found.error());
    auto q = rdma_queue_pair::make(std::move(cm), o);
    if (!q)
        co_return core::fail(q.error().code, q.error().sentence, name());
    if (auto connected = co_await (*q)->connect(); !connected)
        co_return core::fail(connected.error().code, connected.error().sentence, name());
    co_return std::unique_ptr<queue_pair>(std::move(*q));
}

}  // namespace causeway::host
