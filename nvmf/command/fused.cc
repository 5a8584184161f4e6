// SPDX-License-Identifier: Apache-2.0
// Compare and Write: two commands that run as one. NVM Express Base Specification 2.0, "Fused Operations".
// Runs on the qpair's core.
//
// The halves pair up in begin(), for that sees them in the order of the submission queue. execute() may come
// in any order, because each half waits for its own data: the pair runs when both have been there.

#include "nvmf/command/io_commands.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

namespace {

constexpr unsigned at_flags = offsetof(nvme::command, flags);

void unlist(request& r) noexcept {
    for (request** at = &side_of(*r.qpair).fused_waiting; *at; at = &side_of(**at).next) {
        if (*at == &r) {
            *at = std::exchange(side_of(r).next, nullptr);
            break;
        }
    }
    side_of(r).waits_for_fused = false;
}

void done(bdev::io& i) noexcept {
    request& first = *static_cast<request*>(i.context);
    request& second = *side_of(first).fused;
    const nvme::status s = i.status;
    release_namespace(first);
    if (s.ok()) {
        qpair_target_side& q = side_of(*first.qpair);
        q.counters->completed_nvme_io.add(2);
        q.counts.read_commands.add();
        q.counts.write_commands.add();
        q.counts.write_units.add(second.length >> 9);
        finish(first, s);
        return finish(second, s);
    }
    // Whatever failed, nothing is written: the first half says why, the second that it was not tried.
    finish_logged(first, s);
    finish_logged(second, nvme::sc::aborted_failed_fused);
}

void run_pair(request& first, request& second) noexcept {
    if (is_stale(first) || is_stale(second)) [[unlikely]] {
        side_of(*first.qpair).counters->stale_commands.add(2);
        finish_logged(first, nvme::sc::command_interrupted);
        return finish_logged(second, nvme::sc::aborted_failed_fused);
    }
    core_namespace* ns = side_of(*first.qpair).namespaces->find(first.command.nsid);
    for (request* half : {&first, &second}) {
        if (ns && ns->admission == side_of(*half).ns_admission) [[likely]]
            continue;
        if (const verdict v = check_again(*half, ns); !v.ok()) {
            finish_logged(first, v);
            return finish_logged(second, nvme::sc::aborted_failed_fused);
        }
    }
    ++ns->in_flight;
    side_of(first).ns = ns;
    bdev::io& io = side_of(first).io;
    const nvme::block_command_view c{second.command};
    io.operation = bdev::op::compare_and_write;
    io.force_unit_access = c.fua();
    io.offset_blocks = c.slba();
    io.length_blocks = c.blocks();
    io.data = first.data();
    io.write_data = second.data();
    io.done = done;
    io.context = &first;
    ns->device->start(io);
}

bool is_first(const request& r) noexcept {
    return r.command.fuse() == nvme::fuse::first;
}

void run_half(request& r) noexcept {
    qpair_target_side& q = side_of(*r.qpair);
    request_target_side& mine = side_of(r);
    --q.fused_begun;
    request* const other = mine.fused;
    if (other && side_of(*other).waits_for_fused) {
        unlist(*other);
        return is_first(r) ? run_pair(r, *other) : run_pair(*other, r);
    }
    mine.waits_for_fused = true;
    mine.next = std::exchange(q.fused_waiting, &r);
}

/// What a half runs whose other half has come to nothing; the status is set.
void run_to_failure(request& r) noexcept {
    --side_of(*r.qpair).fused_begun;
    finish_logged(r, r.status());
}

/// A half whose other half will not run any more. It may not have been executed yet.
void fail_half(request& half, nvme::status s) noexcept {
    if (side_of(half).waits_for_fused) {
        unlist(half);
        return finish_logged(half, s);
    }
    half.set_status(s);
    side_of(half).run = run_to_failure;
}

/// REQUIRES: `b` has just been checked.
bool same_range(const request& a, const request& b) noexcept {
    const nvme::block_command_view x{a.command}, y{b.command};
    if (a.command.nsid != b.command.nsid)
        return false;
    // Of the same namespace, not only of the same nsid: both halves may share a buffer that is sized by the first one.
    const core_namespace& ns = *side_of(*b.qpair).namespaces->find(b.command.nsid);
    return side_of(a).ns_admission >= ns.generation && a.length == b.length && x.slba() == y.slba() &&
           x.nlb() == y.nlb();
}

/// A first half is good if a whole Compare and Write of its range would be.
verdict check_first(request& r) noexcept {
    if (r.command.as_io() != nvme::io_opcode::compare)
        return wrong_field(at_flags);
    if (const verdict v = check_half(r); !v.ok())
        return v;
    const bdev::device& device = *side_of(*r.qpair).namespaces->find(r.command.nsid)->device;
    if (!device.capabilities().supports(bdev::op::compare_and_write))
        return wrong_field(at_flags);
    // Its two halves share one buffer, so that neither can wait for what the other one holds.
    if (nvme::block_command_view{r.command}.blocks() > device.geometry().atomic_compare_and_write_blocks ||
        r.length > side_of(*r.qpair).max_io_bytes / 2)
        return {nvme::sc::atomic_write_unit_exceeded.with_dnr(), offsetof(nvme::command, cdw12)};
    return {};
}

nvme::status begin_half(request& r) noexcept {
    ++side_of(*r.qpair).fused_begun;
    return {};
}

/// Credit is the first half's to wait for, and pays for both. The second one waits for the first.
nvme::status defer_half(request& r) noexcept {
    side_of(r).half_is_deferred = true;
    return deferred;
}

nvme::status begin_first(request& r) noexcept {
    qpair_target_side& q = side_of(*r.qpair);
    if (const verdict v = check_first(r); !v.ok()) {
        q.fused_first_failed = true;
        return refuse(r, v);
    }
    side_of(r).run = run_half;
    q.held_fused = &r;
    const verdict v = admit_pair(r, *q.namespaces->find(r.command.nsid));
    return v.ok() ? begin_half(r) : defer_half(r);
}

verdict check_second(request& r, const request& first) noexcept {
    if (r.command.as_io() != nvme::io_opcode::write)
        return wrong_field(at_flags);
    if (const verdict v = check_half(r); !v.ok())
        return v;
    if (!same_range(first, r))
        return wrong_field(offsetof(nvme::command, cdw10));
    return {};
}

nvme::status begin_second(request& r, request* first, bool first_failed) noexcept {
    if (!first)
        return refuse(r, first_failed ? nvme::sc::aborted_failed_fused : nvme::sc::aborted_missing_fused);
    if (const verdict v = check_second(r, *first); !v.ok()) {
        fail_half(*first, nvme::sc::aborted_failed_fused);
        return refuse(r, v);
    }
    side_of(r).run = run_half;
    side_of(r).fused = first;
    side_of(*first).fused = &r;
    if (!side_of(*first).half_is_deferred)
        return begin_half(r);
    side_of(*r.qpair).counters->throttled_commands.add();
    return defer_half(r);
}

}  // namespace

void abandon_half(request& r) noexcept {
    qpair_target_side& q = side_of(*r.qpair);
    request_target_side& mine = side_of(r);
    if (mine.run != run_half && mine.run != run_to_failure)
        return;
    if (!std::exchange(mine.half_is_deferred, false))
        --q.fused_begun;
    if (q.held_fused == &r) {
        q.held_fused = nullptr;
        q.fused_first_failed = true;
    }
    if (request* other = std::exchange(mine.fused, nullptr)) {
        side_of(*other).fused = nullptr;
        fail_half(*other, nvme::sc::aborted_failed_fused);
    }
}

void resume_halves(request& r) noexcept {
    request* const other = side_of(r).fused;
    const bool both = other && side_of(*other).half_is_deferred;
    // Both at once: what ends the one when it is resumed must find the other one begun.
    for (request* half : {&r, both ? other : nullptr}) {
        if (half) {
            side_of(*half).half_is_deferred = false;
            static_cast<void>(begin_half(*half));
        }
    }
    r.qpair->resume(r);
    if (both)
        other->qpair->resume(*other);
}

void cancel_expected_second(qpair& on) noexcept {
    qpair_target_side& q = side_of(on);
    q.fused_first_failed = false;
    if (request* first = std::exchange(q.held_fused, nullptr))
        fail_half(*first, nvme::sc::aborted_missing_fused);
}

nvme::status begin_unusual(request& r) noexcept {
    qpair_target_side& q = side_of(*r.qpair);
    const nvme::fuse fuse = r.command.fuse();
    if (fuse == nvme::fuse::second) {
        request* const first = std::exchange(q.held_fused, nullptr);
        return begin_second(r, first, std::exchange(q.fused_first_failed, false));
    }
    cancel_expected_second(*r.qpair);
    if (fuse == nvme::fuse::first)
        return begin_first(r);
    if (fuse == nvme::fuse::reserved)
        return refuse(r, wrong_field(at_flags));
    if (const verdict v = check_io(r); !v.ok())
        return v.status == deferred ? deferred : refuse(r, v);
    return {};
}

bool abort_fused(qpair& on, std::uint16_t cid) noexcept {
    qpair_target_side& q = side_of(on);
    for (request* r = q.fused_waiting; r; r = side_of(*r).next) {
        // One that has its other half in the transport's hands stays: that half will be here soon.
        if (r->command.cid != cid || side_of(*r).fused)
            continue;
        q.held_fused = nullptr;
        q.fused_first_failed = true;
        unlist(*r);
        finish_logged(*r, nvme::sc::aborted_by_request);
        return true;
    }
    return false;
}

void end_fused(qpair& on) noexcept {
    qpair_target_side& q = side_of(on);
    q.held_fused = nullptr;
    while (request* r = q.fused_waiting) {
        unlist(*r);
        if (request* other = std::exchange(side_of(*r).fused, nullptr)) {
            side_of(*other).fused = nullptr;
            other->set_status(nvme::sc::aborted_sq_deletion);
            side_of(*other).run = run_to_failure;
        }
        finish_logged(*r, nvme::sc::aborted_sq_deletion);
    }
}

}  // namespace causeway::nvmf
