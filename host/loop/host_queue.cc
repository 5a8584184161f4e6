// SPDX-License-Identifier: Apache-2.0
#include "host/loop/host_queue.h"

#include "host/loop/commands.h"
#include "transport/loop/loop_transport.h"

#include <cassert>
#include <utility>

namespace causeway::loop {

host_queue::~host_queue() {
    assert(phase_ == state::idle || phase_ == state::closed);
}

core::task<core::result<>> host_queue::open(nvmf::transport_address at, std::uint16_t qid, std::uint16_t entries) {
    assert(phase_ == state::idle);
    home_ = core::reactor::current();
    entries_ = entries;
    co_await core::switch_to(home_->group().control());
    const auto made = transport_.make_link(*this, *home_, at, qid, entries);
    if (made) {
        link& l = **made;
        co_await core::switch_to(l.target_home());
        link_ = &l;  // before this hop home, which is before any `severed` from there
        l.accept();
    }
    co_await core::switch_to(*home_);
    if (!made)
        co_return tl::make_unexpected(made.error());
    phase_ = state::open;
    connection_ = link_->number;
    co_return core::result<>{};
}

core::task<nvme::completion> host_queue::connect(connect_parameters p) {
    const nvme::connect_data data = make_connect_data(p);
    nvme::connect_data copy = data;
    const iovec piece{&copy, sizeof copy};
    co_return co_await run(make_connect_command(p, entries_), {&piece, 1});
}

bool host_queue::submit(host_request& r) noexcept {
    assert(core::reactor::current() == home_ && r.data.size() <= nvmf::request::max_segments);
    if (phase_ != state::open || outstanding_ + 1 == entries_)
        return false;
    slot& s = link_->slots[first_free_];
    first_free_ = s.next_free;
    ++outstanding_;
    r.command.cid = s.cid;
    s.host = &r;
    s.host_data = r.data;
    s.request.command = r.command;
    s.handle = &arrive;
    link_->target_home().post(s);
    return true;
}

core::task<nvme::completion> host_queue::run(nvme::command command, std::span<const iovec> data) {
    struct waiting_request : host_request {
        core::one_shot<nvme::completion> answer;
    } r;
    r.command = command;
    r.data = data;
    r.done = [](host_request& self) noexcept { static_cast<waiting_request&>(self).answer.set(self.completion); };
    while (!submit(r)) {
        if (phase_ != state::open)
            co_return lost_completion();
        co_await core::yield();
    }
    co_return co_await r.answer;
}

void host_queue::answered(slot& s) noexcept {
    if (!s.host) {
        ++unexpected_;
        return;
    }
    host_request& r = *std::exchange(s.host, nullptr);
    r.completion = s.request.completion;
    r.moved = s.request.transfer == nvmf::transfer::none ? 0 : s.request.length;
    sq_head_ = r.completion.sqhd;
    s.next_free = first_free_;
    first_free_ = s.cid;
    --outstanding_;
    r.done(r);
}

void host_queue::disconnect() noexcept {
    if (phase_ != state::open)
        return;
    phase_ = state::closing;
    link_->target_home().post(link_->hang_up);
}

void host_queue::severed() noexcept {
    phase_ = state::closed;
    link& l = *std::exchange(link_, nullptr);
    for (std::uint16_t i = 0; i < entries_; ++i) {
        if (!l.slots[i].host)
            continue;
        host_request& r = *std::exchange(l.slots[i].host, nullptr);
        --outstanding_;
        r.completion = lost_completion();
        r.done(r);
    }
    if (waiting_)
        std::exchange(waiting_, nullptr)->set(true);
    if (on_closed)
        std::exchange(on_closed, nullptr)();
}

core::task<> host_queue::closed() {
    assert(!waiting_);
    if (phase_ == state::open || phase_ == state::closing) {
        core::one_shot<bool> closed;
        waiting_ = &closed;
        co_await closed;
    }
}

}  // namespace causeway::loop
