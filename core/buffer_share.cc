// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_share.h"

#include <cassert>
#include <utility>

namespace causeway::core {

using source = buffer_share::claim::source;

bool buffer_share::take_from_pool(claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of) noexcept {
    assert(c.from == source::none && !c.waiting);
    c.of = this;
    c.ns_number = on_behalf_of.ns;
    if (!pool_.take(c, bytes, on_behalf_of, at_hand_))
        return false;
    c.from = source::pool;
    held_.push_back(c);
    return true;
}

bool buffer_share::ns_has_none_here(const claim& c) const noexcept {
    if (c.ns_number)
        for (const claim* h = held_.front(); h; h = h->next_in_list)
            if (h->ns_number == c.ns_number)
                return false;
    return true;
}

bool buffer_share::take(claim& c, std::uint32_t bytes, const buffer_holders& on_behalf_of) noexcept {
    return take_from_pool(c, bytes, on_behalf_of) || take_own(c);
}

bool buffer_share::take_own(claim& c) noexcept {
    if (own_.data || stopping_ || !ns_has_none_here(c))
        return false;
    own_ = reserve_.take(waiter_);
    if (!own_.data)
        return false;
    c.data = own_.data;
    c.from = source::own;
    if (!c.waiting)
        held_.push_back(c);
    return true;
}

void buffer_share::wait(claim& c) noexcept {
    c.ready = [](buffer_claim& b) noexcept {
        auto& served = static_cast<claim&>(b);
        served.from = source::pool;
        served.of->grant(served);
    };
    c.waiting = true;
    waiters_.push_back(c);
    pool_.wait(c);
}

bool buffer_share::share(claim& second, claim& first, std::uint32_t offset) noexcept {
    assert(second.from == source::none && !second.waiting && !first.partner && !second.partner);
    second.of = this;
    second.from = source::partner;
    second.offset = offset;
    second.partner = &first;
    first.partner = &second;
    second.waiting = first.waiting;
    if (!first.waiting)
        second.data = first.data + offset;
    return !first.waiting;
}

void buffer_share::remove_waiter(claim& c) noexcept {
    waiters_.remove(c);
    c.waiting = false;
}

void buffer_share::cancel(claim& c) noexcept {
    if (!c.waiting)
        return;
    if (c.from == source::partner) {
        c.waiting = false;
        c.from = source::none;
        c.offset = 0;
        c.data = nullptr;
    } else {
        pool_.cancel(c);
        remove_waiter(c);
    }
    if (claim* other = std::exchange(c.partner, nullptr))
        other->partner = nullptr;
}

/// It has its buffer, and so has its partner.
void buffer_share::grant(claim& c) noexcept {
    remove_waiter(c);
    held_.push_back(c);
    claim* const second = c.partner;
    if (second)
        second->data = c.data + second->offset;
    c.granted(c);
    if (second && second->waiting && second->data) {  // else it was cancelled meanwhile
        second->waiting = false;
        second->granted(*second);
    }
}

void buffer_share::release(claim& c) noexcept {
    if (claim* const other = std::exchange(c.partner, nullptr)) {
        other->partner = nullptr;
        if (c.from != source::partner) {  // the buffer is the other one's from now on
            assert(other->data);
            other->from = std::exchange(c.from, source::none);
            other->size_class = c.size_class;
            other->user = c.user;
            other->ns = c.ns;
            other->ns_number = c.ns_number;
            other->host = c.host;
            held_.remove(c);
            held_.push_back(*other);
        }
    }
    if (c.from == source::pool || c.from == source::own)
        held_.remove(c);
    const std::uint32_t offset = std::exchange(c.offset, 0);
    switch (std::exchange(c.from, source::none)) {
    case source::pool:
        c.data -= offset;
        pool_.release(c);
        if (!own_.data && !stopping_ && !waiters_.empty() && ns_has_none_here(c))
            pass_own_buffer_on();
        break;
    case source::own:
        c.data = nullptr;
        reserve_.release(std::exchange(own_, {}));
        pass_own_buffer_on();
        break;
    case source::partner:
    case source::none: c.data = nullptr;
    }
}

void buffer_share::stop() noexcept {
    stopping_ = true;
    reserve_.cancel(waiter_);
}

/// A loop, and entered once only: the waiter may have released the buffer before grant() returns.
void buffer_share::pass_own_buffer_on() noexcept {
    if (waiters_.empty() || std::exchange(handing_on_, true))
        return;
    while (!own_.data && !stopping_) {
        claim* next = waiters_.front();
        while (next && !take_own(*next))
            next = next->next_in_list;
        if (!next)
            break;
        pool_.cancel(*next);
        grant(*next);
    }
    handing_on_ = false;
}

}  // namespace causeway::core
