// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/admin_queue.h"

#include "nvme/pcie.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <fmt/format.h>

namespace causeway::bdev_nvme {

namespace {

constexpr unsigned index_bits = 5;
constexpr std::uint16_t index_mask = (1u << index_bits) - 1;
static_assert(admin_queue::entries == 1u << index_bits);  // one slot less: FFFFh is never an identifier

}  // namespace

admin_queue::admin_queue(core::reactor& control, std::string about)
    : control_(control), about_(std::move(about)), closed_because_{ENOTCONN, "the controller is not enabled", about_},
      slots_(entries - 1) {}

admin_queue::~admin_queue() {
    assert(!open_);
}

core::result<> admin_queue::allocate() {
    auto submissions = core::dma_memory::allocate(entries * sizeof(nvme::command));
    auto completions = core::dma_memory::allocate(entries * sizeof(nvme::completion));
    auto pages = core::dma_memory::allocate(slots_.size() * max_data_bytes);
    for (const auto* m : {&submissions, &completions, &pages})
        if (!*m)
            return tl::make_unexpected(m->error());
    submissions_ = std::move(*submissions);
    completions_ = std::move(*completions);
    pages_ = std::move(*pages);
    return {};
}

void admin_queue::open(doorbell submission, doorbell completion, limits l, std::function<void(const char*)> broken) {
    assert(!open_ && awaited_ == 0);
    open_ = true;
    submission_ = submission;
    completion_ = completion;
    limits_ = l;
    broken_ = std::move(broken);
    timeouts_ = 0;
    tail_ = rung_tail_ = 0;
    std::memset(completions_.data(), 0, completions_.size());  // so that no entry looks new
    completion_ring_.reset(completions_.data(), entries);
    for (std::size_t i = 0; i < slots_.size(); ++i)
        slots_[i] = {.cid = static_cast<std::uint16_t>((slots_[i].cid & ~index_mask) | i)};
    timer_ = std::make_unique<core::timer>(control_, [this] { look(); });
    timer_->arm_every(limits_.idle_period);
}

void admin_queue::set_limits(limits l) {
    limits_ = l;
    if (timer_)
        timer_->arm_every(limits_.idle_period);
}

void admin_queue::close(const core::error& why) {
    if (!open_)
        return;
    open_ = false;
    closed_because_ = why;
    timer_.reset();
    on_event_ = nullptr;
    for (slot& s : slots_) {
        s.used = s.event = false;
        if (auto* waiting = std::exchange(s.waiting, nullptr)) {
            --awaited_;
            waiting->set(tl::make_unexpected(why));
        }
    }
    follow();
}

admin_queue::slot* admin_queue::take() {
    for (slot& s : slots_) {
        if (s.used)
            continue;
        s.used = true;
        s.event = false;
        s.cid = static_cast<std::uint16_t>(s.cid + (1u << index_bits));
        s.due = control_.now() + control_.time().to_ticks(limits_.command);
        return &s;
    }
    return nullptr;
}

std::byte* admin_queue::page_of(const slot& s) const noexcept {
    return pages_.data() + static_cast<std::size_t>(&s - slots_.data()) * max_data_bytes;
}

void admin_queue::put(nvme::command c, const slot& s) {
    c.cid = s.cid;
    std::memcpy(submissions_.data() + tail_ * sizeof c, &c, sizeof c);
    tail_ = (tail_ + 1) % entries;
}

core::task<core::result<nvme::completion>> admin_queue::run(nvme::command c, std::span<std::byte> from_device) {
    assert(from_device.size() <= max_data_bytes);
    if (!open_)
        co_return tl::make_unexpected(closed_because_);
    slot* const s = take();
    if (!s)
        co_return core::fail(EBUSY, "the admin queue is full", about_);
    std::byte* const page = page_of(*s);
    if (c.psdt() != nvme::psdt::prp) {  // made for fabrics, where nothing but SGLs is known
        c.flags = 0;
        c.sgl = {};
    }
    if (!from_device.empty()) {
        std::memset(page, 0, max_data_bytes);  // bytes that a short answer leaves out are zero
        c.sgl = std::bit_cast<nvme::sgl_descriptor>(
            nvme::prp_pointer{reinterpret_cast<std::uintptr_t>(page), std::uint64_t{0}});
    }
    core::one_shot<core::result<nvme::completion>> done;
    s->waiting = &done;
    s->from_device = from_device;
    ++awaited_;
    follow();
    put(c, *s);
    auto answer = co_await done;
    if (!answer)
        co_return answer;
    if (!answer->status().ok())
        co_return core::fail(EIO, fmt::format("admin command {:02x}h: {}", c.opcode, nvme::to_string(answer->status())),
                             about_);
    co_return answer;
}

void admin_queue::listen(unsigned requests, std::function<void(std::uint32_t)> on_event) {
    on_event_ = std::move(on_event);
    while (open_ && requests-- > 0) {
        slot* const s = take();
        if (!s)
            return;
        s->event = true;
        nvme::command c{};
        c.opcode = nvme::to_underlying(nvme::admin_opcode::async_event_request);
        put(c, *s);
    }
    flush();
}

/// Polls in every turn while a command is awaited.
void admin_queue::follow() {
    const bool wanted = awaited_ != 0;
    if (std::exchange(followed_, wanted) == wanted)
        return;
    polling_ = wanted ? core::poller_registration(control_, "nvme admin", *this) : core::poller_registration();
}

/// Checks for events and timeouts, once per period.
void admin_queue::look() {
    poll(entries);
    flush();
    if (open_)
        check_timeouts();
}

void admin_queue::flush() noexcept {
    if (tail_ == rung_tail_)
        return;
    rung_tail_ = tail_;
    submission_.ring(static_cast<std::uint16_t>(tail_));
}

unsigned admin_queue::poll(unsigned budget) noexcept {
    unsigned count = 0;
    for (completion_ring::completion a; open_ && count < budget && completion_ring_.take(a); ++count)
        completed(a);
    if (count && open_)
        completion_.ring(completion_ring_.head());
    return count;
}

void admin_queue::completed(const completion_ring::completion& a) {
    const std::uint16_t index = a.cid & index_mask;
    if (index >= slots_.size() || !slots_[index].used || slots_[index].cid != a.cid || a.entry->sqid != 0 ||
        a.entry->sqhd >= entries) {
        const core::error why{EIO, "the controller completed an admin command that is not outstanding", about_};
        close(why);
        control_.execute([broken = broken_] { broken("it completed an admin command that is not outstanding"); });
        return;
    }
    slot& s = slots_[index];
    s.used = false;
    if (s.event) {
        if (a.status.ok() && on_event_)
            control_.execute([on_event = on_event_, dw0 = a.entry->dw0.value()] { on_event(dw0); });
        return;
    }
    if (auto* waiting = std::exchange(s.waiting, nullptr)) {
        --awaited_;
        follow();
        // Now: the page is the next command's as soon as this one has ended.
        std::copy_n(page_of(s), s.from_device.size(), s.from_device.data());
        waiting->set(*a.entry);
    }
}

/// A late command has failed for its waiter; its entry stays in use, because it may still complete.
void admin_queue::check_timeouts() {
    for (slot& s : slots_) {
        if (!s.waiting || control_.now() < s.due)
            continue;
        ++timeouts_;
        --awaited_;
        std::exchange(s.waiting, nullptr)
            ->set(core::fail(ETIMEDOUT, "the controller does not complete an admin command", about_));
    }
    follow();
}

}  // namespace causeway::bdev_nvme
