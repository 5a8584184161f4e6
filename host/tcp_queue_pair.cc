// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_queue_pair.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace causeway::host {

namespace {

std::vector<std::uint16_t> numbers_below(unsigned n) {
    std::vector<std::uint16_t> all(n);
    for (unsigned i = 0; i < n; ++i)
        all[i] = static_cast<std::uint16_t>(n - 1 - i);
    return all;
}

/// Of admin and fabrics commands. NVM Express TCP Transport Specification 1.0, "In-Capsule Data".
constexpr std::uint32_t in_capsule_data_always = 8192;

}  // namespace

std::uint32_t tcp_queue_pair::in_capsule_limit(const nvme::command& c) const noexcept {
    return options_.qid == 0 || c.opcode == nvme::fabrics_opcode ? in_capsule_data_always : options_.in_capsule_data;
}

tcp_queue_pair::tcp_queue_pair(std::unique_ptr<tcp::stream> stream, const queue_pair_options& o, const tcp_options& t)
    : queue_pair(o.depth), options_(o), tcp_(t), stream_(std::move(stream)), slot_mask_(std::bit_ceil(o.depth) - 1),
      slot_bits_(static_cast<unsigned>(std::bit_width(slot_mask_))), slots_(o.depth), free_(numbers_below(o.depth)),
      unsent_(o.depth), transfers_(std::size_t{o.depth} * t.max_r2t),
      timeout_(*core::reactor::current(), [this] { lose("it does not respond"); }),
      registration_(*core::reactor::current(), "host_tcp", *this) {
    watch_.emplace(*core::reactor::current(), stream_->socket(), EPOLLIN, [this](std::uint32_t) { receive(); });
    reader_.negotiated.sender = tcp::side::controller;
    for (unsigned i = 0; i < o.depth; ++i)
        slots_[i].cid = static_cast<std::uint16_t>(i);
}

tcp_queue_pair::~tcp_queue_pair() {
    close();
}

core::task<core::result<>> tcp_queue_pair::initialize() {
    core::one_shot<bool> over;
    greeting_ = &over;
    put_ic_req();
    timeout_.arm_after(tcp_.timeout);
    (void)co_await over;
    if (!is_open())
        co_return core::fail(ECONNABORTED, trouble_.empty() ? "the connection was closed" : trouble_);
    co_return core::result<>{};
}

bool tcp_queue_pair::submit(request& r) noexcept {
    if (!open_ || free_.empty())
        return false;
    slot& s = slots_[free_.back()];
    unsent_.push(free_.back());
    free_.pop_back();
    ++outstanding_;
    s.r = &r;
    s.length = r.data_bytes();
    s.direction = r.direction();
    s.in_capsule = s.direction == nvme::data_transfer::host_to_controller && s.length <= in_capsule_limit(r.command);
    s.moved = s.in_capsule ? s.length : 0;
    s.open_r2t = 0;
    s.has_digest_error = s.is_answered = false;
    return true;
}

void tcp_queue_pair::close() noexcept {
    on_lost = nullptr;
    lose({});
    stream_->end_sending();
}

/// All that ends a connection ends here.
void tcp_queue_pair::lose(std::string why) noexcept {
    if (phase_ == phase::lost)
        return;
    phase_ = phase::lost;
    open_ = false;
    trouble_ = std::move(why);
    timeout_.cancel();
    watch_.reset();
    output_.clear();
    in_output_.clear();
    unsent_.clear();
    transfers_.clear();
    for (slot& s : slots_) {
        if (!s.r)
            continue;
        s.answer = lost_completion();
        s.unsent = 0;
        finish(s);
    }
    if (greeting_)
        std::exchange(greeting_, nullptr)->set(true);
    if (auto tell = std::exchange(on_lost, nullptr))
        tell();
}

void tcp_queue_pair::finish(slot& s) noexcept {
    request& r = *std::exchange(s.r, nullptr);
    r.completion = s.answer;
    const auto index = static_cast<std::uint16_t>(s.cid & slot_mask_);
    s.cid = static_cast<std::uint16_t>(s.cid + slot_mask_ + 1);
    free_.push_back(index);
    --outstanding_;
    ++finished_;
    r.done(r);
}

unsigned tcp_queue_pair::poll(unsigned) noexcept {
    if (outstanding_ == 0 || options_.qid == 0)
        return 0;
    return receive();
}

bool tcp_queue_pair::arm() noexcept {
    if (phase_ == phase::lost)
        return true;
    if (!is_blocked_ && !(unsent_.empty() && transfers_.empty() && output_.empty()))
        return false;
    if (stream_->holds_more())
        return false;
    if (is_blocked_) {
        watch_->set_events(EPOLLIN | EPOLLOUT);
        waits_for_writable_ = true;
    }
    return true;
}

void tcp_queue_pair::disarm() noexcept {
    if (std::exchange(waits_for_writable_, false) && watch_)
        watch_->set_events(EPOLLIN);
}

}  // namespace causeway::host
