// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/poll_group.h"

#include "core/log.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <fcntl.h>
#include <limits>
#include <sys/epoll.h>

namespace causeway::rdma {

namespace {

constexpr std::size_t arena_size = 512;  // work requests of one turn; more only means another doorbell
/// Own buffers that are spare before more are made: enough until these are there.
constexpr std::size_t min_own_buffers = 4;
// A command has two completions and more. And in a turn the control reactor takes as many admin commands as a poller
// may handle events: if no more came out of the completion queue, those of one host would lie in it before everybody's
// I/O.
constexpr unsigned completions_per_event = 4;

core::result<comp_channel_ptr> make_channel(ibv_context* context) {
    comp_channel_ptr channel(ibv_create_comp_channel(context));
    if (!channel)
        return verbs_error(errno, "cannot create a completion channel", context);
    if (::fcntl(channel->fd, F_SETFL, ::fcntl(channel->fd, F_GETFL) | O_NONBLOCK) < 0)
        return verbs_error(errno, "cannot make a completion channel non-blocking", context);
    return channel;
}

}  // namespace

core::result<std::unique_ptr<poll_group>> poll_group::create(core::reactor& home, nvmf::target& target, ibv_pd* pd,
                                                             const device_limits& limits,
                                                             const nvmf::transport_options& options) {
    ibv_context* const context = pd->context;
    auto channel = make_channel(context);
    if (!channel)
        return tl::make_unexpected(channel.error());
    const int vector = static_cast<int>(home.index() % static_cast<unsigned>(context->num_comp_vectors));
    cq_ptr cq(ibv_create_cq(context, static_cast<int>(limits.completions), nullptr, channel->get(), vector));
    if (!cq)
        return verbs_error(errno, "cannot create a completion queue", context);
    auto buffers = core::buffer_pool::create(buffer_classes(options));
    if (!buffers)
        return tl::make_unexpected(buffers.error());
    auto mr = register_memory(pd, buffers->memory());
    if (!mr)
        return tl::make_unexpected(mr.error());
    auto own = registered_memory::allocate(pd, own_buffers_in_region * std::size_t{options.max_io_size});
    if (!own)
        return tl::make_unexpected(own.error());
    return std::unique_ptr<poll_group>(new poll_group(home, target, pd, limits, options, std::move(*channel),
                                                      std::move(cq), std::move(*buffers), std::move(*mr),
                                                      std::move(*own)));
}

poll_group::poll_group(core::reactor& home, nvmf::target& target, ibv_pd* pd, const device_limits& limits,
                       const nvmf::transport_options& options, comp_channel_ptr channel, cq_ptr cq,
                       core::buffer_pool buffers, mr_ptr buffers_mr, registered_memory own_buffers)
    : common::poll_group(home, target, options.max_io_size, stats_.latencies, std::move(buffers), min_own_buffers,
                         [this] { want_own_buffers(); }),
      pd_(pd), limits_(limits), in_capsule_data_size_(options.in_capsule_data_size), channel_(std::move(channel)),
      cq_(std::move(cq)), completions_(static_cast<std::uint32_t>(cq_->cqe)),
      lower_claims_(home, [this] { lower_claims(); }), buffers_mr_(std::move(buffers_mr)), arena_(arena_size) {
    add_own_buffers(std::move(own_buffers));
}

poll_group::~poll_group() {
    release_verbs();
}

void poll_group::start() {
    channel_watch_.emplace(home_, channel_->fd, EPOLLIN, [this](std::uint32_t) { take_channel_events(); });
    registration_ = core::poller_registration(home_, "rdma", *this);
}

core::task<> poll_group::stop() {
    {
        const auto lock = co_await growing_.lock();  // what is being made is there, or not, after this
        stopped_ = true;
    }
    lower_claims_.cancel();
    for (const auto& p : pools_)
        p->stop();
    registration_.reset();
    channel_watch_.reset();
    auto release = [this] { release_verbs(); };
    co_await core::run_blocking(home_.group(), release);
}

/// May block.
void poll_group::release_verbs() noexcept {
    for (const auto& p : pools_)
        p->release_verbs();
    buffers_mr_.reset();
    for (registered_memory& region : own_memory_)
        region.mr.reset();
    cq_.reset();
    channel_.reset();
}

void poll_group::leave(qpair& q) noexcept {
    take_completions();
    std::erase(dirty_, &q);
    qpair_slots_[q.slot_index].occupant = nullptr;
    ++qpair_slots_[q.slot_index].generation;
    if (const auto it = by_number_.find(q.qp_num()); it != by_number_.end() && it->second == &q)
        by_number_.erase(it);
    promised_completions_ -= completions_of(q.limits());
}

void poll_group::join(qpair& q) {
    std::size_t i = 0;
    while (i < qpair_slots_.size() && qpair_slots_[i].occupant)
        ++i;
    assert(i <= std::numeric_limits<std::uint16_t>::max());  // more than a completion queue has room for
    // What lies there now may name a queue pair that had the same number.
    take_completions();
    if (i == qpair_slots_.size())
        qpair_slots_.emplace_back();
    qpair_slots_[i].occupant = &q;
    q.slot_index = static_cast<std::uint16_t>(i);
    q.generation = qpair_slots_[i].generation;
    by_number_[q.qp_num()] = &q;
    dirty_.reserve(qpair_slots_.size());
    q.receives().flush();
}

unsigned poll_group::poll(unsigned budget) noexcept {
    constexpr unsigned batch = 32;
    const unsigned most = budget * completions_per_event;
    std::array<ibv_wc, batch> done;
    unsigned handled = 0;
    stats_.polls.add();
    const std::uint32_t epoch = home_.stalls();
    while (handled < most) {
        const int wanted = static_cast<int>(std::min(batch, most - handled));
        const int n = ibv_poll_cq(cq_.get(), wanted, done.data());
        for (int i = 0; i < n; ++i)
            handle(done[static_cast<std::size_t>(i)]);
        handled += static_cast<unsigned>(std::max(n, 0));
        if (n < wanted) {
            stall_epoch_ = epoch;  // nothing that came before a stall is left
            break;
        }
    }
    if (handled)
        stats_.completions.add(handled);
    else
        stats_.idle_polls.add();
    return handled;
}

void poll_group::take_completions() noexcept {
    if (!cq_)
        return;
    // As many as the queue holds: what comes meanwhile is for other queue pairs, and for the next turn.
    for (unsigned taken = 0, n = 1; n != 0 && taken < completions_; taken += n)
        n = poll(256);
}

void poll_group::handle(const ibv_wc& wc) noexcept {
    const wr_id id = wr_id::decode(wc.wr_id);
    if (id.kind != work_kind::receive) {
        if (id.kind == work_kind::none || id.qpair >= qpair_slots_.size())
            return;
        const qpair_slot& p = qpair_slots_[id.qpair];
        if (p.occupant && p.generation == id.generation)
            p.occupant->on_send_completion(id, wc.status);
        return;
    }
    const std::size_t pool = id.index >> slot_bits;
    const std::uint32_t slot = id.index & slot_mask;
    if (pool >= pools_.size() || !pools_[pool]->valid(slot))
        return;
    const auto it = by_number_.find(wc.qp_num);
    if (it == by_number_.end()) {
        pools_[pool]->recycle(slot);
        return;
    }
    if (wc.status != IBV_WC_SUCCESS) {
        pools_[pool]->recycle(slot);
        it->second->on_receive_error(wc.status);
        return;
    }
    stats_.requests.add();
    it->second->on_receive(slot, wc.byte_len);
}

void poll_group::make_room(std::size_t n) noexcept {
    if (!arena_.has_room(n))
        flush();
}

void poll_group::mark_dirty(qpair& q) noexcept {
    if (!q.marked_dirty) {
        q.marked_dirty = true;
        dirty_.push_back(&q);
    }
}

void poll_group::flush() noexcept {
    // Receives first: a host that gets a response may send its next command at once.
    for (const auto& p : pools_)
        if (p->dirty())
            p->flush();
    for (qpair* q : dirty_) {
        q->marked_dirty = false;
        send_queue& queue = q->queue();
        if (!queue.dirty())
            continue;
        stats_.total_send_wrs.add(queue.chained());
        stats_.send_doorbell_updates.add();
        if (const int code = queue.post(); code != 0)
            q->on_post_refused(code);
    }
    dirty_.clear();
    arena_.clear();
}

bool poll_group::arm() noexcept {
    if (!dirty_.empty() || std::any_of(pools_.begin(), pools_.end(), [](const auto& p) { return p->dirty(); }))
        return false;
    if (!armed_) {
        if (ibv_req_notify_cq(cq_.get(), 0) != 0)
            return false;
        armed_ = true;
    }
    // What came before the arming raised no event.
    return poll(32) == 0;
}

void poll_group::take_channel_events() noexcept {
    ibv_cq* cq;
    void* context;
    unsigned events = 0;
    while (ibv_get_cq_event(channel_.get(), &cq, &context) == 0)
        ++events;
    if (events) {
        ibv_ack_cq_events(cq_.get(), events);
        armed_ = false;
    }
}

}  // namespace causeway::rdma
