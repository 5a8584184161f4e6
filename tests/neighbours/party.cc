// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/party.h"

#include "nvme/make_command.h"

#include <algorithm>

namespace causeway::neighbours {

crowd::crowd(neighbourhood& at, unsigned n, const std::function<std::unique_ptr<party>(unsigned)>& make) : party(at) {
    for (unsigned i = 0; i < n; ++i)
        members_.push_back(make(i));
}

core::task<> crowd::arrive() {
    for (auto& m : members_)
        co_await m->arrive();
}

void crowd::begin() {
    for (auto& m : members_)
        m->begin();
}

core::task<> crowd::leave() {
    for (auto& m : members_)
        co_await m->leave();
}

std::uint64_t crowd::done() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& m : members_)
        sum += m->done();
    return sum;
}

std::uint64_t crowd::failed() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& m : members_)
        sum += m->failed();
    return sum;
}

std::uint64_t crowd::longest() const noexcept {
    std::uint64_t longest = 0;
    for (const auto& m : members_)
        longest = std::max(longest, m->longest());
    return longest;
}

void crowd::forget_longest() noexcept {
    for (auto& m : members_)
        m->forget_longest();
}

piece_of_work block_work(nvme::io_opcode opcode, std::uint32_t nsid, std::uint32_t bytes) {
    return {nvme::make_block_command(opcode, nsid, 0, bytes / block_size, bytes), bytes};
}

core::task<> vanish(host::controller& c) {
    c.admin().close();
    co_await c.disconnect();
}

busy_host::busy_host(neighbourhood& at, host::controller_options o, unsigned depth, std::vector<piece_of_work> work,
                     host::connector& by)
    : party(at), depth_(depth), io_queues_(o.io_reactors.size()), work_(std::move(work)),
      controller_(by, std::move(o)) {}

core::task<> busy_host::arrive() {
    const auto connected = co_await controller_.connect();
    EXPECT_TRUE(connected) << connected.error().text();
}

void busy_host::begin() {
    for (std::size_t q = 0; q < std::max<std::size_t>(1, io_queues_); ++q)
        for (unsigned i = 0; i < depth_; ++i)
            rounds_.emplace_back(*this, io_queues_ ? controller_.io(q) : controller_.admin(),
                                 work_[rounds_.size() % work_.size()]);
    for (round& r : rounds_)
        r.submit();
}

core::task<> busy_host::leave() {
    stopping_ = true;
    while (outstanding_)
        co_await core::yield();
    co_await controller_.disconnect();
}

core::task<> busy_host::vanish() {
    stopping_ = true;
    co_await neighbours::vanish(controller_);
}

std::uint64_t busy_host::begin_of_oldest() const noexcept {
    std::uint64_t oldest = now();
    for (const round& r : rounds_)
        if (r.missing)
            oldest = std::min(oldest, r.begun);
    return oldest;
}

busy_host::round::half::half(round& r, const piece_of_work& w) : memory(w.bytes) {
    command = w.command;
    piece = {memory.data(), memory.size()};
    if (w.bytes)
        data = {&piece, 1};
    context = &r;
    done = [](host::request& q) noexcept { static_cast<round*>(q.context)->answered(q.status().ok()); };
}

busy_host::round::round(busy_host& h, host::queue_pair& q, const piece_of_work& w)
    : host(h), queue(q), first(*this, w), second(*this, w), pair(w.fused_with_a_write) {
    if (!pair)
        return;
    const auto mark = [](nvme::command& c, nvme::fuse f) {
        c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(f));
    };
    mark(first.command, nvme::fuse::first);
    mark(second.command, nvme::fuse::second);
    second.command.opcode = nvme::to_underlying(nvme::io_opcode::write);
}

void busy_host::round::submit() {
    missing = pair ? 2 : 1;
    all_ok = true;
    begun = host.now();
    ++host.outstanding_;
    EXPECT_TRUE(queue.submit(first));
    if (pair) {
        EXPECT_TRUE(queue.submit(second));
    }
}

void busy_host::round::answered(bool ok) {
    all_ok &= ok;
    if (--missing)
        return;
    --host.outstanding_;
    host.count(all_ok, begun);
    if (!host.stopping_ && queue.is_open())
        submit();
}

void busy_task::begin() {
    working_ = true;
    core::detach(work());
}

core::task<> busy_task::work() {
    while (!stopping_) {
        begun_ = now();
        const bool ok = co_await once();
        count(ok, begun_);
        co_await core::yield();
    }
    working_ = false;
}

core::task<> busy_task::leave() {
    stopping_ = true;
    while (working_)
        co_await core::yield();
}

}  // namespace causeway::neighbours
