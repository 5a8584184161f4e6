// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/queue_pair.h"

#include "bdev_nvme/pieces.h"
#include "bdev_nvme/status.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace causeway::bdev_nvme {

using bdev::op;
using nvme::io_opcode;

namespace {

// A command identifier is an index and a number that changes with each use: an answer that comes twice, or too late,
// finds another one.
constexpr unsigned index_bits = 10;
constexpr std::uint16_t index_mask = (1u << index_bits) - 1;
constexpr std::uint32_t max_entries = 1u << index_bits;  // one tracker less: FFFFh is never an identifier

// Stand-ins for data that the device cannot get at. That is rare: transports' buffers are memory for devices.
constexpr std::size_t bounce_count = 4;

constexpr std::array<io_opcode, bdev::op_count> opcodes = [] {
    std::array<io_opcode, bdev::op_count> a{};
    const auto set = [&](op o, io_opcode c) { a[static_cast<unsigned>(o)] = c; };
    set(op::read, io_opcode::read);
    set(op::write, io_opcode::write);
    set(op::flush, io_opcode::flush);
    set(op::write_zeroes, io_opcode::write_zeroes);
    set(op::unmap, io_opcode::dataset_management);
    set(op::compare, io_opcode::compare);
    set(op::compare_and_write, io_opcode::compare);
    set(op::verify, io_opcode::verify);
    set(op::copy, io_opcode::copy);
    return a;
}();

constexpr std::uint8_t opcode_of(op o) noexcept {
    return nvme::to_underlying(opcodes[static_cast<unsigned>(o)]);
}

const io_target& target_of(const bdev::io& i) noexcept {
    return *static_cast<const io_target*>(i.back_end);
}

}  // namespace

queue_pair::queue_pair(core::reactor& home, owner& o, const dma_reach& reach)
    : home_(home), pointer_(reach, sgl_support::none), owner_(o), reach_(reach) {}

queue_pair::~queue_pair() {
    assert(outstanding() == 0 && !waiting_first_ && !timer_);
}

// Its life.

core::result<> queue_pair::prepare(const settings& s) {
    assert(state_ != state::open && outstanding() == 0);
    const std::uint32_t entries = std::clamp(s.entries, 2u, max_entries);
    if (entries != settings_.entries || !submissions_.size()) {
        const std::uint32_t trackers = entries - 1;  // a full queue has one free entry
        auto submissions = core::dma_memory::allocate(entries * sizeof(nvme::command), memory_page);
        auto completions = core::dma_memory::allocate(entries * sizeof(nvme::completion), memory_page);
        auto lists = core::dma_memory::allocate(trackers * memory_page, memory_page);
        auto bounce = core::dma_memory::allocate(bounce_count * bounce_bytes, memory_page);
        for (const auto* m : {&submissions, &completions, &lists, &bounce})
            if (!*m)
                return tl::make_unexpected(m->error());
        submissions_ = std::move(*submissions);
        completions_ = std::move(*completions);
        lists_ = std::move(*lists);
        bounce_memory_ = std::move(*bounce);
        trackers_ = std::vector<tracker>(trackers);
        free_ = nullptr;
        for (std::uint32_t i = trackers; i-- > 0;) {
            trackers_[i].list = lists_.data() + i * memory_page;
            trackers_[i].cid = static_cast<std::uint16_t>(i);
            trackers_[i].next_free = std::exchange(free_, &trackers_[i]);
        }
        bounces_.clear();
        for (std::size_t i = 0; i < bounce_count; ++i)
            bounces_.push_back(bounce_memory_.data() + i * bounce_bytes);
    }
    std::memset(completions_.data(), 0, completions_.size());  // so that no entry looks new
    settings_ = s;
    settings_.entries = entries;
    pointer_ = data_pointer(reach_, s.sgls);
    submission_ring_ = reinterpret_cast<nvme::command*>(submissions_.data());
    completion_ring_.reset(completions_.data(), entries);
    tail_ = rung_tail_ = 0;
    return {};
}

void queue_pair::open(core::nanoseconds timeout) {
    assert(core::reactor::current() == &home_ && state_ != state::open);
    state_ = state::open;
    polling_ = core::poller_registration(home_, "nvme", *this);
    set_timeout(timeout);
    issue_waiting();
}

void queue_pair::set_timeout(core::nanoseconds timeout) {
    timeout_ = timeout;
    timer_.reset();
    if (state_ != state::open || timeout.count() == 0)
        return;
    // Four looks in each: a command is reported at most a quarter late.
    timer_ = std::make_unique<core::timer>(home_, [this] { check_timeouts(); });
    timer_->arm_every(std::max(timeout / 4, core::nanoseconds(std::chrono::milliseconds(1))));
}

void queue_pair::pause() noexcept {
    state_ = state::paused;
    timer_.reset();
    polling_.reset();
}

void queue_pair::abort_outstanding(nvme::status s) noexcept {
    assert(state_ != state::open);
    for (tracker& t : trackers_)
        if (t.io)
            end(t, s);
}

void queue_pair::fail(nvme::status s) noexcept {
    assert(state_ != state::open && outstanding() == 0);
    state_ = state::failed;
    failure_ = s;
    while (bdev::io* i = waiting_first_) {
        waiting_first_ = i->next;
        answer(*i, s);
    }
}

// Submission.

void queue_pair::wait_for_entry(bdev::io& i) noexcept {
    if (state_ == state::failed)
        return answer(i, failure_);
    stats_.waited.add();
    i.next = nullptr;
    (waiting_first_ ? waiting_last_->next : waiting_first_) = &i;
    waiting_last_ = &i;
}

void queue_pair::issue_waiting() noexcept {
    while (state_ == state::open && waiting_first_) {
        bdev::io& i = *waiting_first_;
        if (!issue(i))
            return;
        if (waiting_first_ == &i)
            waiting_first_ = i.next;
    }
}

/// True: all of it was submitted. False: an entry or a buffer is missing, and the rest has to wait.
bool queue_pair::issue(bdev::io& i) noexcept {
    const io_target& t = target_of(i);
    switch (i.operation) {
    case op::flush: return issue_flush(i, t);
    case op::compare_and_write: return issue_pair(i, t);
    case op::copy: return issue_copy(i, t);
    default: break;
    }
    auto p = std::bit_cast<progress>(i.back_end_value);
    std::uint32_t most = max_blocks(i, t);
    do {
        const auto blocks = static_cast<std::uint32_t>(std::min<std::uint64_t>(i.length_blocks - p.issued, most));
        const made m =
            i.operation == op::unmap ? issue_unmap(i, t, p.issued, blocks) : issue_range(i, t, p.issued, blocks);
        if (m == made::too_long) [[unlikely]] {
            most = bounce_bytes >> t.block_shift;
            continue;
        }
        if (m != made::yes) [[unlikely]]
            return false;
        p.issued += blocks;
        ++p.pieces;
        i.back_end_value = std::bit_cast<std::uint64_t>(p);
    } while (p.issued < i.length_blocks);
    return true;
}

std::uint32_t queue_pair::max_blocks(const bdev::io& i, const io_target& t) const noexcept {
    switch (i.operation) {
    case op::write_zeroes: return t.max_zeroes_blocks;
    case op::verify: return t.max_verify_blocks;
    case op::unmap: return t.max_unmap_blocks;
    default: return t.max_blocks;
    }
}

inline void queue_pair::begin(nvme::command& c, const tracker& t, std::uint8_t opcode,
                              std::uint32_t nsid) const noexcept {
    c = {};
    c.opcode = opcode;
    c.cid = t.cid;
    c.nsid = nsid;
}

/// Read, Write, Compare, Write Zeroes, Verify: a range of blocks.
inline queue_pair::made queue_pair::issue_range(bdev::io& i, const io_target& target, std::uint64_t issued,
                                                std::uint32_t blocks) noexcept {
    tracker* const t = take(i);
    if (!t) [[unlikely]]
        return made::no_entry;
    nvme::command c;
    begin(c, *t, opcode_of(i.operation), target.nsid);
    const std::uint64_t lba = i.offset_blocks + issued;
    c.cdw10 = static_cast<std::uint32_t>(lba);
    c.cdw11 = static_cast<std::uint32_t>(lba >> 32);
    std::uint32_t prinfo = target.prinfo;
    if (prinfo && i.operation == op::write_zeroes) [[unlikely]]
        prinfo &= nvme::prinfo_pract;  // made anew, and nothing is there to be checked
    c.cdw12 = (blocks - 1) | prinfo << 26 | (i.force_unit_access ? nvme::rw_fua : 0);
    if (target.reference_tags)
        c.cdw14 = static_cast<std::uint32_t>(lba);
    if (!i.data.empty()) {
        t->skip = static_cast<std::uint32_t>(issued << target.block_shift);
        t->bytes = blocks << target.block_shift;
        if (const made m = point(c, *t, i.data, i.operation == op::read); m != made::yes) [[unlikely]] {
            release(*t);
            return m;
        }
    } else if (i.deallocate && target.deallocates_zeroes && i.operation == op::write_zeroes) {
        c.cdw12 = c.cdw12 | nvme::write_zeroes_deac;
    }
    put(c);
    return made::yes;
}

/// Points `c` at the data, or at a copy of it.
inline queue_pair::made queue_pair::point(nvme::command& c, tracker& t, std::span<const iovec> data,
                                          bool from_device) noexcept {
    if (pointer_.set(c, data, t.skip, t.bytes, t.list)) [[likely]]
        return made::yes;
    if (t.bytes > bounce_bytes)
        return made::too_long;
    if (bounces_.empty())
        return made::no_buffer;
    t.bounce = bounces_.back();
    bounces_.pop_back();
    stats_.bounced.add();
    if (!from_device) {
        std::byte* to = t.bounce;
        for_each_piece(data, t.skip, t.bytes, [&](const std::byte* from, std::size_t n) {
            std::memcpy(to, from, n);
            to += n;
            return true;
        });
    }
    data_pointer::set_own(c, t.bounce, t.bytes, t.list);
    return made::yes;
}

bool queue_pair::issue_flush(bdev::io& i, const io_target& target) noexcept {
    tracker* const t = take(i);
    if (!t)
        return false;
    nvme::command c;
    begin(c, *t, opcode_of(op::flush), target.nsid);
    put(c);
    i.back_end_value = std::bit_cast<std::uint64_t>(progress{.issued = 0, .pieces = 1});
    return true;
}

queue_pair::made queue_pair::issue_unmap(bdev::io& i, const io_target& target, std::uint64_t issued,
                                         std::uint32_t blocks) noexcept {
    tracker* const t = take(i);
    if (!t)
        return made::no_entry;
    const nvme::dsm_range range{0u, blocks, i.offset_blocks + issued};
    std::memcpy(t->list, &range, sizeof range);
    nvme::command c;
    begin(c, *t, opcode_of(op::unmap), target.nsid);
    c.sgl = std::bit_cast<nvme::sgl_descriptor>(
        nvme::prp_pointer{reinterpret_cast<std::uintptr_t>(t->list), std::uint64_t{0}});
    c.cdw10 = 0u;       // one range
    c.cdw11 = 1u << 2;  // deallocate
    put(c);
    return made::yes;
}

bool queue_pair::issue_copy(bdev::io& i, const io_target& target) noexcept {
    assert(!i.sources.empty() && i.sources.size() * sizeof(nvme::copy_range) <= memory_page);  // nvme_device sees to it
    tracker* const t = take(i);
    if (!t)
        return false;
    auto* range = reinterpret_cast<nvme::copy_range*>(t->list);
    for (const bdev::copy_source& s : i.sources) {
        *range = {};
        range->slba = s.offset_blocks;
        range->nlb = static_cast<std::uint16_t>(s.length_blocks - 1);
        ++range;
    }
    nvme::command c;
    begin(c, *t, opcode_of(op::copy), target.nsid);
    c.sgl = std::bit_cast<nvme::sgl_descriptor>(
        nvme::prp_pointer{reinterpret_cast<std::uintptr_t>(t->list), std::uint64_t{0}});
    c.cdw10 = static_cast<std::uint32_t>(i.offset_blocks);
    c.cdw11 = static_cast<std::uint32_t>(i.offset_blocks >> 32);
    c.cdw12 = static_cast<std::uint32_t>(i.sources.size() - 1) | (i.force_unit_access ? nvme::rw_fua : 0);
    put(c);
    i.back_end_value = std::bit_cast<std::uint64_t>(progress{.issued = i.length_blocks, .pieces = 1});
    return true;
}

/// Compare and Write, fused: two commands, one behind the other.
bool queue_pair::issue_pair(bdev::io& i, const io_target& target) noexcept {
    if (!free_ || !free_->next_free)
        return false;
    tracker& first = *take(i);
    tracker& second = *take(i);
    nvme::command c[2];
    begin(c[0], first, nvme::to_underlying(io_opcode::compare), target.nsid);
    begin(c[1], second, nvme::to_underlying(io_opcode::write), target.nsid);
    const auto blocks = static_cast<std::uint32_t>(i.length_blocks);
    for (nvme::command& each : c)
        nvme::set_block_range(each, i.offset_blocks, blocks);
    if (i.force_unit_access)
        c[1].cdw12 = c[1].cdw12 | nvme::rw_fua;
    first.skip = second.skip = 0;
    first.bytes = second.bytes = blocks << target.block_shift;
    if (point(c[0], first, i.data, false) != made::yes || point(c[1], second, i.write_data, false) != made::yes) {
        release(second);
        release(first);
        return false;
    }
    c[0].flags = static_cast<std::uint8_t>(c[0].flags | nvme::to_underlying(nvme::fuse::first));
    c[1].flags = static_cast<std::uint8_t>(c[1].flags | nvme::to_underlying(nvme::fuse::second));
    put(c[0]);
    put(c[1]);
    i.back_end_value = std::bit_cast<std::uint64_t>(progress{.issued = i.length_blocks, .pieces = 2});
    return true;
}

inline void queue_pair::put(const nvme::command& c) noexcept {
    submission_ring_[tail_] = c;
    if (++tail_ == settings_.entries)
        tail_ = 0;
}

void queue_pair::flush() noexcept {
    if (tail_ == rung_tail_)
        return;
    stats_.submitted.add(tail_ > rung_tail_ ? tail_ - rung_tail_ : tail_ + settings_.entries - rung_tail_);
    rung_tail_ = tail_;
    (settings_.submission.ring(static_cast<std::uint16_t>(tail_)) ? stats_.sq_doorbells : stats_.sq_shadow_doorbells)
        .add();
}

// Trackers.

inline queue_pair::tracker* queue_pair::take(bdev::io& i) noexcept {
    if (!free_) [[unlikely]]
        return nullptr;
    tracker& t = *free_;
    free_ = t.next_free;
    ++outstanding_;
    t.io = &i;
    t.started = home_.now();
    t.cid = static_cast<std::uint16_t>(t.cid + (1u << index_bits));
    return &t;
}

inline void queue_pair::release(tracker& t) noexcept {
    if (t.bounce) [[unlikely]]
        bounces_.push_back(std::exchange(t.bounce, nullptr));
    t.io = nullptr;
    t.reported = false;
    t.next_free = free_;
    free_ = &t;
    --outstanding_;
}

// Completion.

unsigned queue_pair::poll(unsigned budget) noexcept {
    if (completion_ring_.pending())
        return process_completions(budget);
    stats_.idle_polls.add();
    return 0;
}

unsigned queue_pair::process_completions(unsigned budget) noexcept {
    unsigned count = 0;
    for (completion_ring::completion a; count < budget && completion_ring_.take(a); ++count)
        if (!completed(a)) [[unlikely]]
            return count + 1;
    stats_.busy_polls.add();
    stats_.completions.add(count);
    (settings_.completion.ring(completion_ring_.head()) ? stats_.cq_doorbells : stats_.cq_shadow_doorbells).add();
    if (waiting_first_) [[unlikely]]
        issue_waiting();
    return count;
}

/// False: it cannot be, and the queue has stopped.
inline bool queue_pair::completed(const completion_ring::completion& a) noexcept {
    const std::uint16_t index = a.cid & index_mask;
    if (index >= trackers_.size() || !trackers_[index].io || trackers_[index].cid != a.cid) [[unlikely]] {
        violated("it completed a command that is not outstanding");
        return false;
    }
    if (a.entry->sqid != settings_.qid) [[unlikely]] {
        violated("a completion names another queue");
        return false;
    }
    if (a.entry->sqhd >= settings_.entries) [[unlikely]] {
        violated("a completion's queue head is outside of the queue");
        return false;
    }
    tracker& t = trackers_[index];
    if (t.bounce && a.status.ok() && t.io->operation == op::read) [[unlikely]] {
        const std::byte* from = t.bounce;
        for_each_piece(t.io->data, t.skip, t.bytes, [&](std::byte* to, std::size_t n) {
            std::memcpy(to, from, n);
            from += n;
            return true;
        });
    }
    end(t, a.status.ok() ? a.status : to_host(a.status));
    return true;
}

/// Ends a command, and its I/O if that was the last of it.
inline void queue_pair::end(tracker& t, nvme::status s) noexcept {
    bdev::io& i = *t.io;
    release(t);
    // Of a fused pair that failed, the half that made it fail says why.
    if (!s.ok() && (i.status.ok() || i.status.is(nvme::sc::aborted_failed_fused))) [[unlikely]]
        i.status = s;
    auto p = std::bit_cast<progress>(i.back_end_value);
    --p.pieces;
    i.back_end_value = std::bit_cast<std::uint64_t>(p);
    if (p.pieces != 0)
        return;
    if (&i == waiting_first_) [[unlikely]] {
        if (i.status.ok())
            return;  // the rest of it waits
        waiting_first_ = i.next;
    }
    answer(i, i.status);
}

inline void queue_pair::answer(bdev::io& i, nvme::status s) noexcept {
    if (i.origin == &home_) [[likely]]
        i.complete(s);
    else
        i.complete_from_anywhere(s);
}

// Trouble.

void queue_pair::violated(const char* why) noexcept {
    stats_.violations.add();
    state_ = state::paused;
    timer_.reset();
    polling_.reset();
    owner_.queue_broken(*this, why);
}

void queue_pair::check_timeouts() noexcept {
    const core::ticks now = home_.now();
    const core::ticks limit = home_.time().to_ticks(timeout_);
    for (tracker& t : trackers_) {
        if (!t.io || now - t.started < limit)
            continue;
        t.started = now;
        stats_.timeouts.add();
        owner_.command_timed_out(*this, t.cid, std::exchange(t.reported, true));
    }
}

}  // namespace causeway::bdev_nvme
