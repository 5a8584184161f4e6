// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include <algorithm>
#include <utility>

// From doorbells to commands, and from commands to completions.

namespace causeway::bdev_nvme::testing {
namespace {

std::atomic_ref<std::uint32_t> doorbell_in(std::byte* page, std::size_t register_at) noexcept {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(page + register_at - nvme::doorbells_offset));
}

}  // namespace

unsigned controller_model::step_queue(std::uint16_t qid) {
    auto& sq = *submission_[qid];
    if (!serves())
        return 0;
    look_at_head(*sq.cq);
    write_waiting(*sq.cq);
    look_at_tail(sq);
    return serve(sq);
}

void controller_model::bad_doorbell(nvme::error_event what) {
    bad_doorbells_.fetch_add(1, std::memory_order_relaxed);
    bad_doorbell_kinds_.fetch_or(1u << nvme::to_underlying(what), std::memory_order_relaxed);
}

void controller_model::look_at_tail(submission_queue& sq) {
    if (shadow_ && sq.qid != 0) {
        look_at_shadow_tail(sq);
        return;
    }
    const std::uint32_t value = registers_.get32(tail_doorbell(sq.qid));
    if (value == sq.doorbell)
        return;
    sq.doorbell = value;
    counters_[sq.qid].tail_moves.add();
    if (value >= sq.entries)
        bad_doorbell(nvme::error_event::invalid_doorbell_value);
    else
        sq.tail = value;
}

/// NVM Express Base Specification 2.0, "Doorbell Buffer Config command" and the annex on its use. A queue without work
/// falls asleep: it says by its event index which entry it wants a doorbell for, and looks once more, since the host
/// may have gone past that meanwhile. Both sides store, then load: sequentially consistent, or each could miss the
/// other.
void controller_model::look_at_shadow_tail(submission_queue& sq) {
    const std::size_t at = tail_doorbell(sq.qid);
    if (registers_.get32(at) != untouched_doorbell) {
        registers_.exchange32(at, untouched_doorbell);
        counters_[sq.qid].tail_moves.add();
        sq.awake = options_.steps_until_asleep + 1;
    }
    if (sq.awake == 0)
        return;
    auto shadow = doorbell_in(shadow_, at);
    std::uint32_t value = shadow.load(std::memory_order_acquire);
    if (value == sq.shadow && --sq.awake == 0) {
        doorbell_in(event_indices_, at).store(sq.tail, std::memory_order_seq_cst);
        value = shadow.load(std::memory_order_seq_cst);
    }
    if (value == sq.shadow)
        return;
    sq.shadow = value;
    sq.awake = options_.steps_until_asleep + 1;
    if (value >= sq.entries)
        bad_doorbell(nvme::error_event::invalid_doorbell_value);
    else
        sq.tail = value;
}

void controller_model::look_at_head(completion_queue& cq) {
    const std::size_t at = head_doorbell(cq.qid);
    std::uint32_t value = registers_.get32(at);
    if (value != cq.doorbell) {
        cq.doorbell = value;
        counters_[cq.qid].head_moves.add();
    } else if (!shadow_ || cq.qid == 0) {
        return;
    }
    if (shadow_ && cq.qid != 0) {
        value = doorbell_in(shadow_, at).load(std::memory_order_acquire);
        if (value == cq.shadow)
            return;
        cq.shadow = value;
        doorbell_in(event_indices_, at).store(value, std::memory_order_seq_cst);
    }
    // Not beyond what there is to read.
    if (value >= cq.entries || (value + cq.entries - cq.head) % cq.entries > cq.unread())
        bad_doorbell(nvme::error_event::invalid_doorbell_value);
    else
        cq.head = value;
}

void controller_model::look_at_strays() {
    const auto look = [this](std::size_t at) {
        const std::uint32_t value = registers_.get32(at);
        auto& seen = strays_[at];
        if (std::exchange(seen, value) != value)
            bad_doorbell(nvme::error_event::invalid_doorbell_register);
    };
    for (std::uint16_t qid = 1; qid < submission_.size(); ++qid) {
        if (!submission_[qid])
            look(tail_doorbell(qid));
        if (!completion_[qid])
            look(head_doorbell(qid));
    }
}

unsigned controller_model::serve(submission_queue& sq) {
    unsigned done = 0;
    const auto fetch = [&] {
        nvme::command c;
        std::memcpy(static_cast<void*>(&c), sq.base + std::size_t{sq.head} * sizeof c, sizeof c);
        sq.head = sq.head + 1 == sq.entries ? 0 : sq.head + 1;
        auto& counted = counters_[sq.qid];
        counted.commands.add();
        counted.by_opcode[c.opcode].add();
        ++done;
        return c;
    };
    const auto fused_as = [&](nvme::fuse f) {
        const auto flags = static_cast<std::uint8_t>(sq.base[std::size_t{sq.head} * sizeof(nvme::command) + 1]);
        return static_cast<nvme::fuse>(flags & 3) == f;
    };
    while (sq.head != sq.tail && sq.cq->has_room()) {
        taken_command taken{fetch(), std::nullopt, {}};
        // Both halves come with one move of the doorbell.
        if (taken.first.fuse() == nvme::fuse::first && sq.head != sq.tail && fused_as(nvme::fuse::second))
            taken.second = fetch();
        take(sq, std::move(taken));
    }
    return done;
}

void controller_model::take(submission_queue& sq, taken_command t) {
    if (!plan_.empty())
        t.what = plan_.choose(sq.qid, t.first);
    const bool known = std::any_of(sq.held.begin(), sq.held.end(), [&](const held_command& h) {
        return h.command.first.cid == t.first.cid || (h.command.second && h.command.second->cid == t.first.cid);
    });
    if (known) {
        complete(sq, t.first, {nvme::sc::command_id_conflict});
        return;
    }
    switch (t.what.what) {
    case fault::lose: return;
    case fault::withhold: sq.held.push_back({held_command::until_released, std::move(t)}); return;
    case fault::delay: sq.held.push_back({steps_.get() + t.what.value, std::move(t)}); return;
    default: execute(sq, t);
    }
}

unsigned controller_model::run_due(submission_queue& sq) {
    unsigned done = 0;
    // From the beginning each time: a command may end others.
    for (std::size_t i = 0; i < sq.held.size() && sq.cq->has_room();) {
        if (sq.held[i].due > steps_.get()) {
            ++i;
            continue;
        }
        const auto due = std::move(sq.held[i].command);
        sq.held.erase(sq.held.begin() + static_cast<std::ptrdiff_t>(i));
        execute(sq, due);
        ++done;
        i = 0;
    }
    return done;
}

unsigned controller_model::release(unsigned most) {
    unsigned done = 0;
    for (auto& sq : submission_)
        while (sq && done < most && !sq->held.empty() && reaches_host() && ready_ && !fatal_ && !removed_) {
            const auto released = std::move(sq->held.front().command);
            sq->held.erase(sq->held.begin());
            execute(*sq, released);
            ++done;
        }
    return done;
}

std::size_t controller_model::held() const noexcept {
    std::size_t n = 0;
    for (const auto& sq : submission_)
        n += sq ? sq->held.size() : 0;
    return n;
}

void controller_model::execute(submission_queue& sq, const taken_command& t) {
    if (sq.disowned.erase(t.first.cid) > 0 || (t.second && sq.disowned.erase(t.second->cid) > 0))
        return;
    sq.now = t.what;
    if (t.what.what == fault::wrong_status) {
        nvme::status s;
        s.value = static_cast<std::uint16_t>(t.what.value & 0x7fff);
        complete(sq, t.first, {s});
        if (t.second)
            complete(sq, *t.second, {nvme::sc::aborted_failed_fused});
    } else if (t.second) {
        execute_fused(sq, t);
    } else {
        complete(sq, t.first, sq.qid == 0 ? admin(sq, t.first) : io(sq, t.first));
    }
    sq.now = {};
}

void controller_model::complete(submission_queue& sq, const nvme::command& c, const outcome& o) {
    if (!o.answers)
        return;
    if (!o.status.ok())
        log_error(sq, c, o.status);
    nvme::completion answer{};
    answer.dw0 = o.dw0;
    answer.sqhd = static_cast<std::uint16_t>(sq.head);
    answer.sqid = sq.qid;
    answer.cid = c.cid;
    answer.set_status(o.status);
    const auto value16 = static_cast<std::uint16_t>(sq.now.value);
    switch (sq.now.what) {
    case fault::complete_twice: put(*sq.cq, answer, false); break;
    case fault::wrong_cid:
        answer.cid = value16;
        sq.disowned.insert(value16);
        break;
    case fault::wrong_sqid: answer.sqid = value16; break;
    case fault::wrong_sqhd: answer.sqhd = value16; break;
    case fault::wrong_result: answer.dw0 = sq.now.value; break;
    default: break;
    }
    counters_[sq.qid].completions.add();
    put(*sq.cq, answer, sq.now.what == fault::wrong_phase);
}

void controller_model::put(completion_queue& cq, const nvme::completion& c, bool stale) {
    if (cq.has_room())
        cq.write(c, stale);
    else
        cq.waiting.push_back(c);
}

void controller_model::write_waiting(completion_queue& cq) {
    while (!cq.waiting.empty() && cq.unread() + 1 < cq.entries) {
        cq.write(cq.waiting.front());
        cq.waiting.pop_front();
    }
}

bool controller_model::post(std::uint16_t qid, nvme::completion c, bool stale) {
    if (qid >= completion_.size() || !completion_[qid] || !reaches_host())
        return false;
    if (c.sqid < submission_.size() && submission_[c.sqid])
        submission_[c.sqid]->disowned.insert(c.cid);
    put(*completion_[qid], c, stale);
    return true;
}

void controller_model::answer_events() {
    if (const auto kinds = bad_doorbell_kinds_.exchange(0, std::memory_order_relaxed))
        for (std::uint8_t kind = 0; kind < 2; ++kind)
            if (kinds & 1u << kind)
                raise(nvme::async_event_type::error, kind, nvme::lid::error_information);
    auto* sq = submission_[0].get();
    while (sq && sq->cq->has_room()) {
        const auto answer = babble_ ? events_.next(*babble_) : events_.next();
        if (!answer)
            return;
        nvme::command c{};
        c.cid = answer->cid;
        complete(*sq, c, {nvme::sc::success, answer->dw0});
    }
}

}  // namespace causeway::bdev_nvme::testing
