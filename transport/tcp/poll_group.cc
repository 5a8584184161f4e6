// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/poll_group.h"

#include "transport/tcp/qpair.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <sys/epoll.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr std::size_t scratch_size = 64 * 1024;
// With more connections than these, asking for all of them at once is cheaper than asking each.
constexpr std::size_t max_hot = 8;
// A connection that has said nothing for so many polls is asked for with the others.
constexpr unsigned max_quiet_polls = 256;
// While some are hot, the others wait for their turn this many turns.
constexpr unsigned turns_between_all = 16;
constexpr int max_events = 64;

}  // namespace

core::result<std::unique_ptr<poll_group>> poll_group::create(core::reactor& home, nvmf::target& target,
                                                             const transport_options& options) {
    auto buffers = core::buffer_pool::create(buffer_classes(options));
    if (!buffers)
        return tl::make_unexpected(buffers.error());
    const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return core::fail_errno(errno, "epoll");
    return std::unique_ptr<poll_group>(new poll_group(home, target, options, epoll_fd, std::move(*buffers)));
}

poll_group::poll_group(core::reactor& home, nvmf::target& target, const transport_options& options, int epoll_fd,
                       core::buffer_pool buffers)
    : common::poll_group(home, target, options.max_io_size, stats_.latencies, std::move(buffers), 1,
                         [this] { make_own_buffer(); }),
      c2h_success_(options.c2h_success), epoll_fd_(epoll_fd), scratch_(scratch_size) {}

/// When there is none to spare. Where there is no memory, connections share those that are there.
void poll_group::make_own_buffer() noexcept {
    std::unique_ptr<std::byte[]> made(new (std::nothrow) std::byte[buffers_.largest()]);
    if (!made)
        return;
    std::byte* const data = made.get();
    own_memory_.push_back(std::move(made));
    own_buffers_.add({data});
}

poll_group::~poll_group() = default;

void poll_group::start() {
    // It only has to wake the reactor: what is ready is found by poll().
    watch_.emplace(home_, epoll_fd_.get(), EPOLLIN, [](std::uint32_t) {});
    registration_ = core::poller_registration(home_, "tcp", *this);
}

core::task<> poll_group::stop() {
    registration_.reset();
    watch_.reset();
    co_return;
}

core::result<> poll_group::join(qpair& q) {
    q.registered_interest = q.interest();
    epoll_event e{.events = q.registered_interest, .data = {.ptr = &q}};
    if (::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, q.socket(), &e) != 0)
        return core::fail_errno(errno, "epoll");
    ++members_;
    dirty_.reserve(members_);
    flushing_.reserve(members_);
    hot_.reserve(max_hot);
    mark_hot(q);
    return {};
}

void poll_group::leave(qpair& q) noexcept {
    ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_DEL, q.socket(), nullptr);
    --members_;
    std::erase(dirty_, &q);
    if (const auto it = std::find(hot_.begin(), hot_.end(), &q); it != hot_.end())
        mark_cold(static_cast<std::size_t>(it - hot_.begin()));
}

void poll_group::mark_hot(qpair& q) noexcept {
    q.quiet_polls = 0;
    // Connections that hold decrypted bytes must be polled again, however many others there are.
    if (q.hot || (hot_.size() >= max_hot && !q.holds_more()))
        return;
    q.hot = true;
    hot_.push_back(&q);
}

void poll_group::mark_cold(std::size_t i) noexcept {
    hot_[i]->hot = false;
    hot_[i] = hot_.back();
    hot_.pop_back();
}

unsigned poll_group::poll(unsigned budget) noexcept {
    stats_.polls.add();
    unsigned handled = poll_hot(budget);
    if (hot_.empty() || until_all_-- == 0) {
        until_all_ = turns_between_all;
        handled += poll_all();
    }
    if (!handled)
        stats_.idle_polls.add();
    return handled;
}

unsigned poll_group::poll_hot(unsigned budget) noexcept {
    unsigned handled = 0;
    for (std::size_t left = hot_.size(); left && handled < budget && !hot_.empty(); --left) {
        if (next_hot_ >= hot_.size())
            next_hot_ = 0;
        qpair& q = *hot_[next_hot_];
        if (const unsigned n = receive(q)) {
            handled += n;
            q.quiet_polls = 0;
        } else if (++q.quiet_polls >= max_quiet_polls) {
            mark_cold(next_hot_);
            continue;
        }
        ++next_hot_;
    }
    return handled;
}

unsigned poll_group::poll_all() noexcept {
    std::array<epoll_event, max_events> ready;
    const std::uint32_t epoch = home_.stalls();
    const int n = ::epoll_wait(epoll_fd_.get(), ready.data(), max_events, 0);
    unsigned handled = 0;
    for (int i = 0; i < n; ++i) {
        void* const of = ready[static_cast<std::size_t>(i)].data.ptr;  // a copy: the struct is packed
        const std::uint32_t events = ready[static_cast<std::size_t>(i)].events;
        qpair& q = *static_cast<qpair*>(of);
        if (events & EPOLLOUT) {
            q.unblock();
            mark_dirty(q);
        }
        if ((events & EPOLLIN) || q.wants_to_send()) {
            handled += receive(q);
            mark_hot(q);
        } else if (events & (EPOLLERR | EPOLLHUP)) {
            q.on_hang_up();
        }
        ++handled;
    }
    if (n >= 0 && n < max_events)
        quiet_epoch_ = epoch;
    return handled;
}

unsigned poll_group::receive(qpair& q) noexcept {
    const unsigned n = q.receive();
    changed(q);
    return n;
}

void poll_group::changed(qpair& q) noexcept {
    if (const std::uint32_t interest = q.interest(); interest != q.registered_interest) {
        epoll_event e{.events = interest, .data = {.ptr = &q}};
        ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_MOD, q.socket(), &e);
        q.registered_interest = interest;
    }
    if (q.holds_more())
        mark_hot(q);
}

void poll_group::mark_dirty(qpair& q) noexcept {
    if (!q.marked_dirty) {
        q.marked_dirty = true;
        dirty_.push_back(&q);
    }
}

void poll_group::flush() noexcept {
    if (dirty_.empty())
        return;
    // What is sent gives buffers back, and so may make others ready: they have the next round.
    flushing_.swap(dirty_);
    for (qpair* q : flushing_) {
        q->marked_dirty = false;
        if (q->transmit())
            mark_dirty(*q);
        changed(*q);
    }
    flushing_.clear();
}

bool poll_group::arm() noexcept {
    if (!dirty_.empty())
        return false;
    for (const qpair* q : hot_)
        if (q->holds_more())
            return false;
    epoll_event ready;
    return ::epoll_wait(epoll_fd_.get(), &ready, 1, 0) == 0;
}

}  // namespace causeway::tcp
