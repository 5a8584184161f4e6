// SPDX-License-Identifier: Apache-2.0
#include "tests/rdma_host/io_queue.h"

#include "tests/hostile/nvme_host.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

namespace causeway::rdma_host {

using hostile::fail;
using hostile::unexpected;

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint64_t send_mark = 1ull << 63;

// Command identifiers: the slot, and above it a number that changes, so that a late or doubled response is noticed.
constexpr unsigned slot_bits = 12;

constexpr std::size_t whole_pages(std::size_t bytes) {
    return (bytes + page - 1) / page * page;
}

}  // namespace

io_queue::io_queue(const endpoint& at, const queue_options& o) : options_(o), cm_(at) {
    try {
        make_queue_pair();
        const auto entries = static_cast<std::uint16_t>(o.depth + 1);
        if (const auto rejected = cm_.connect({.qid = o.qid,
                                               .hrqsize = entries,
                                               .hsqsize = static_cast<std::uint16_t>(entries - 1),
                                               .cntlid = o.cntlid,
                                               .raw = {}}))
            throw unexpected(fmt::format("the connection request was rejected with status {}", *rejected));
        greet(at);
    } catch (...) {
        release();
        throw;
    }
}

io_queue::~io_queue() {
    release();
}

void io_queue::make_queue_pair() {
    // Connect's data has room in any case.
    stride_ = whole_pages(std::max<std::size_t>(options_.bytes, sizeof(nvme::connect_data)));
    capsules_at_ = stride_ * options_.depth;
    responses_at_ = capsules_at_ + options_.depth * sizeof(nvme::command);
    bytes_ = whole_pages(responses_at_ + (options_.depth + spare) * sizeof(nvme::completion));
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, bytes_)));
    if (!memory_)
        throw std::bad_alloc();
    std::memset(memory_.get(), 0, bytes_);

    ibv_context* device = cm_.id()->verbs;
    pd_ = ibv_alloc_pd(device);
    if (options_.events && !(channel_ = ibv_create_comp_channel(device)))
        fail("ibv_create_comp_channel");
    if (channel_)
        fcntl(channel_->fd, F_SETFL, fcntl(channel_->fd, F_GETFL) | O_NONBLOCK);
    cq_ = pd_ ? ibv_create_cq(device, static_cast<int>(2 * (options_.depth + spare)), nullptr, channel_, 0) : nullptr;
    if (!cq_)
        fail("ibv_create_cq");
    mr_ = ibv_reg_mr(pd_, memory_.get(), bytes_,
                     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
    if (!mr_)
        fail("ibv_reg_mr");
    ibv_qp_init_attr a{};
    a.send_cq = a.recv_cq = cq_;
    a.qp_type = IBV_QPT_RC;
    a.cap = {.max_send_wr = options_.depth + spare,
             .max_recv_wr = options_.depth + spare,
             .max_send_sge = 1 + max_pieces,
             .max_recv_sge = 1,
             .max_inline_data = 0};
    if (rdma_create_qp(cm_.id(), pd_, &a) != 0)
        fail("rdma_create_qp");
    slots_.resize(options_.depth);
    receives_.resize(options_.depth + spare);
    receive_pieces_.resize(receives_.size());
    for (unsigned i = 0; i < receives_.size(); ++i)
        post_receive(i);
    flush();
}

void io_queue::release() {
    // Said first, so that the target hears of it from us and not from its own RDMA.
    if (mr_ && broken_.empty())
        cm_.disconnect();
    if (cm_.id()->qp)
        rdma_destroy_qp(cm_.id());
    if (mr_)
        ibv_dereg_mr(mr_);
    if (cq_)
        ibv_destroy_cq(cq_);
    if (channel_)
        ibv_destroy_comp_channel(channel_);
    if (pd_)
        ibv_dealloc_pd(pd_);
}

/// The Connect command. As Linux does it on an I/O queue, its data is in the capsule if there is room.
void io_queue::greet(const endpoint& at) {
    const nvme::connect_data d = hostile::connect_data(at, options_.cntlid);
    std::memcpy(data(0).data(), &d, sizeof d);
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.qid = options_.qid;
    c.sqsize = static_cast<std::uint16_t>(options_.depth);
    submit(0, hostile::as_command(c), direction::to_target, sizeof d);
    flush();
    const auto end = std::chrono::steady_clock::now() + at.patience;
    bool answered = false;
    nvme::completion answer{};
    while (!answered) {
        poll([&](unsigned, const nvme::completion& a) {
            answered = true;
            answer = a;
        });
        look_at_connection();
        if (!broken_.empty())
            throw unexpected(fmt::format("while connecting I/O queue {}: {}", options_.qid, broken_));
        if (std::chrono::steady_clock::now() > end)
            throw unexpected(fmt::format("no answer to the Connect of I/O queue {}", options_.qid));
        if (!answered)
            ::poll(nullptr, 0, 1);
    }
    if (!answer.status().ok())
        throw unexpected(fmt::format("the Connect of I/O queue {} was answered with {}", options_.qid,
                                     nvme::to_string(answer.status())));
}

void io_queue::submit(unsigned slot, nvme::command c, direction way, std::uint32_t bytes) {
    slot_state& s = slots_[slot];
    s.cid = static_cast<std::uint16_t>(slot | (turn_++ & 0xfu) << slot_bits);
    s.is_sent = s.is_answered = false;
    c.cid = s.cid;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    s.pieces[0] = {reinterpret_cast<std::uint64_t>(capsule(slot)), sizeof c, mr_->lkey};
    int pieces = 1;
    const auto at = reinterpret_cast<std::uint64_t>(data(slot).data());
    if (way == direction::to_target && bytes <= options_.in_capsule) {
        c.sgl = nvme::sgl_descriptor::data_block(0, bytes, nvme::sgl_subtype::offset);
        const std::uint32_t parts = std::clamp<std::uint32_t>(bytes / 512, 1, max_pieces);
        const std::uint32_t each = bytes / parts / 512 * 512;
        for (std::uint32_t i = 0; i < parts; ++i, ++pieces)
            s.pieces[pieces] = {at + i * each, i + 1 < parts ? each : bytes - i * each, mr_->lkey};
    } else if (way != direction::none) {
        c.sgl = nvme::sgl_descriptor::keyed_data_block(at, bytes, mr_->rkey);
    }
    std::memcpy(capsule(slot), &c, sizeof c);
    s.send = {};
    s.send.wr_id = send_mark | slot;
    s.send.sg_list = s.pieces;
    s.send.num_sge = pieces;
    s.send.opcode = IBV_WR_SEND;
    s.send.send_flags = IBV_SEND_SIGNALED;
    (first_send_ ? last_send_->next : first_send_) = &s.send;
    last_send_ = &s.send;
}

void io_queue::post_receive(unsigned i) {
    receive_pieces_[i] = {reinterpret_cast<std::uint64_t>(response(i)), sizeof(nvme::completion), mr_->lkey};
    ibv_recv_wr& wr = receives_[i];
    wr = {};
    wr.wr_id = i;
    wr.sg_list = &receive_pieces_[i];
    wr.num_sge = 1;
    (first_receive_ ? last_receive_->next : first_receive_) = &wr;
    last_receive_ = &wr;
}

void io_queue::flush() {
    if (first_receive_) {  // before the sends, whose responses need them
        ibv_recv_wr* bad;
        if (ibv_post_recv(cm_.id()->qp, first_receive_, &bad) != 0)
            stop_sending("cannot post a receive");
        first_receive_ = nullptr;
    }
    if (first_send_) {
        ibv_send_wr* bad;
        if (ibv_post_send(cm_.id()->qp, first_send_, &bad) != 0)
            stop_sending("cannot post a send");
        first_send_ = nullptr;
    }
}

void io_queue::look() {
    std::array<ibv_wc, 64> done;
    for (;;) {
        const int n = ibv_poll_cq(cq_, static_cast<int>(done.size()), done.data());
        if (n < 0)
            stop_sending("ibv_poll_cq fails");
        for (int i = 0; i < n; ++i) {
            const ibv_wc& wc = done[static_cast<std::size_t>(i)];
            if (wc.status != IBV_WC_SUCCESS) {
                stop_sending(ibv_wc_status_str(wc.status));
            } else if (wc.wr_id & send_mark) {
                const auto slot = static_cast<unsigned>(wc.wr_id & ~send_mark);
                slots_[slot].is_sent = true;
                look_whether_over(slot);
            } else {
                take_response(static_cast<unsigned>(wc.wr_id));
            }
        }
        if (n < static_cast<int>(done.size()))
            return;
    }
}

void io_queue::take_response(unsigned receive) {
    nvme::completion c;
    std::memcpy(&c, response(receive), sizeof c);
    post_receive(receive);
    const unsigned slot = c.cid & ((1u << slot_bits) - 1);
    if (slot >= slots_.size() || slots_[slot].cid != c.cid || slots_[slot].is_answered) {
        throw unexpected(fmt::format("I/O queue {}: a response to command {:#06x}, which is not outstanding",
                                     options_.qid, c.cid.value()));
    }
    slots_[slot].response = c;
    slots_[slot].is_answered = true;
    look_whether_over(slot);
}

void io_queue::look_whether_over(unsigned slot) {
    if (slots_[slot].is_sent && slots_[slot].is_answered)
        over_.push_back({slot, slots_[slot].response});
}

void io_queue::look_at_connection() {
    if (cm_.is_over())
        stop_sending("the target closed the connection");
}

void io_queue::stop_sending(std::string why) {
    // What comes after the first reason comes of it.
    if (broken_.empty())
        broken_ = std::move(why);
}

void io_queue::arm() {
    ibv_req_notify_cq(cq_, 0);
}

void io_queue::disarm() {
    ibv_cq* cq;
    void* context;
    unsigned events = 0;
    while (ibv_get_cq_event(channel_, &cq, &context) == 0)
        ++events;
    if (events)
        ibv_ack_cq_events(cq_, events);
}

}  // namespace causeway::rdma_host
