// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/qos_scheduler.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace causeway::nvmf {

namespace {

constexpr io_direction both[] = {io_direction::read, io_direction::write};
constexpr io_direction other(io_direction d) noexcept {
    return d == io_direction::read ? io_direction::write : io_direction::read;
}

constexpr unsigned index_of(io_direction d) noexcept {
    return static_cast<unsigned>(d);
}

// Orders of the heaps, whose first is the one for which this is false.
constexpr auto has_later_key = [](const auto& a, const auto& b) { return a.key > b.key; };
constexpr auto has_used_more = [](const qos_ticket* a, const qos_ticket* b) { return a->used > b->used; };

}  // namespace

// ---- Who waits.

void qos_scheduler::insert(qos_ticket& t, core::ticks now) {
    assert(!t.waits);
    qos_host& h = *t.host;
    lane& l = lane_of(h, t.direction);
    if (std::ranges::all_of(h.lanes, [](const lane& each) { return each.tickets.empty(); }))
        h.used = std::max(h.used, virtual_now_);  // what it did not use meanwhile is gone
    t.used = std::max(t.used, l.used);
    t.waits = true;
    t.granted = 0;
    add(t);
    if (l.at == lane::place::nowhere) {
        if (h.own.ready_at(t.direction) > now)
            park(h, t.direction);
        else
            list(h, t.direction);
    }
    update_contended();
}

void qos_scheduler::add(qos_ticket& t) {
    std::vector<qos_ticket*>& tickets = lane_of(*t.host, t.direction).tickets;
    tickets.push_back(&t);
    std::ranges::push_heap(tickets, has_used_more);
    on_count_changed(*t.host, t.direction, tickets.size() - 1);
}

void qos_scheduler::remove(qos_ticket& t) noexcept {
    assert(t.waits);
    t.waits = false;
    std::vector<qos_ticket*>& tickets = lane_of(*t.host, t.direction).tickets;
    std::erase(tickets, &t);
    std::ranges::make_heap(tickets, has_used_more);
    on_count_changed(*t.host, t.direction, tickets.size() + 1);
    update_contended();
}

void qos_scheduler::remove_first(qos_host& h, io_direction d) noexcept {
    std::vector<qos_ticket*>& tickets = lane_of(h, d).tickets;
    std::ranges::pop_heap(tickets, has_used_more);
    tickets.pop_back();
    on_count_changed(h, d, tickets.size() + 1);
}

void qos_scheduler::forget(qos_host& h) noexcept {
    for (const io_direction d : both) {
        assert(lane_of(h, d).tickets.empty());
        if (std::erase_if(heap(d), [&](const entry& e) { return e.host == &h; }) > 0)
            std::ranges::make_heap(heap(d), has_later_key);
        lane_of(h, d).at = lane::place::nowhere;
    }
    std::erase_if(parked_, [&](const parked& p) { return p.host == &h; });
}

void qos_scheduler::set_weight(qos_host& h, std::uint32_t weight) noexcept {
    for (const io_direction d : both)
        if (const lane& l = lane_of(h, d); l.at == lane::place::listed && !l.tickets.empty())
            listed_[index_of(d)] += std::uint64_t{weight} - h.weight;
    h.weight = weight;
}

/// A lane that is listed counts for as long as it has tickets; it may stay listed without, until it is at the top.
void qos_scheduler::on_count_changed(qos_host& h, io_direction d, std::size_t before) noexcept {
    const lane& l = lane_of(h, d);
    const bool some = !l.tickets.empty();
    if (some == (before > 0))
        return;
    if (l.at == lane::place::listed)
        listed_[index_of(d)] += some ? h.weight : -std::uint64_t{h.weight};
    h.own.set_contended(d, some);
}

void qos_scheduler::list(qos_host& h, io_direction d) {
    lane& l = lane_of(h, d);
    l.at = lane::place::listed;
    if (!l.tickets.empty())
        listed_[index_of(d)] += h.weight;
    heap(d).push_back({h.used, &h});
    std::ranges::push_heap(heap(d), has_later_key);
}

void qos_scheduler::unlist_top(io_direction d) noexcept {
    qos_host& h = *heap(d).front().host;
    std::ranges::pop_heap(heap(d), has_later_key);
    heap(d).pop_back();
    lane& l = lane_of(h, d);
    if (!l.tickets.empty())
        listed_[index_of(d)] -= h.weight;
    l.at = lane::place::nowhere;
}

void qos_scheduler::park(qos_host& h, io_direction d) {
    lane_of(h, d).at = lane::place::parked;
    parked_.push_back({&h, d});
}

void qos_scheduler::unpark(core::ticks now) {
    std::erase_if(parked_, [&](const parked& p) {
        lane& l = lane_of(*p.host, p.direction);
        if (!l.tickets.empty() && p.host->own.ready_at(p.direction) > now)
            return false;
        l.at = lane::place::nowhere;
        if (l.tickets.empty())
            return true;
        if (const core::ticks due = p.host->own.ready_at(p.direction))
            p.host->own.forgive_lateness(due, now);
        list(*p.host, p.direction);
        return true;
    });
}

/// While commands wait for a limit nobody draws from it. Those of a host that has used up its own limits do not hold up
/// the others.
void qos_scheduler::update_contended() noexcept {
    const bool shared = limits_.shared_by_directions();
    for (const io_direction d : both)
        limits_.set_contended(d, listed_[index_of(d)] > 0 || (shared && listed_[index_of(other(d))] > 0));
}

// ---- Who goes next.

/// The host that is furthest behind of those that wait in this direction and may go; nullptr: none.
const qos_scheduler::entry* qos_scheduler::top(io_direction d, core::ticks now) {
    if (limits_.ready_at(d) > now)
        return nullptr;
    while (!heap(d).empty()) {
        const entry& e = heap(d).front();
        qos_host& h = *e.host;
        const bool empty = lane_of(h, d).tickets.empty();
        const bool spent = h.own.ready_at(d) > now;
        if (!empty && !spent && e.key >= h.used)
            return &e;
        unlist_top(d);
        if (spent && !empty)
            park(h, d);
        else if (!empty)
            list(h, d);  // it was served in the other direction meanwhile
    }
    return nullptr;
}

/// All clocks advance as the credit grows, although it is given out later: a newcomer may have what lies before that
/// time. Alone it waits for the others' time, and its grants are gathered.
qos_ticket* qos_scheduler::serve_newcomer(core::ticks now, qos_host& h) {
    for (const io_direction d : both) {
        const lane& l = lane_of(h, d);
        while (l.at == lane::place::listed && !l.tickets.empty() && listed_[0] + listed_[1] > h.weight) {
            const core::ticks since = limits_.ready_at(d);
            if (since > now || h.own.ready_at(d) > now)
                break;
            const double advance = static_cast<double>(now - since) / static_cast<double>(listed_[0] + listed_[1]);
            if (h.used > virtual_now_ + advance)
                break;
            grant(h, d, 1);
        }
    }
    return collect_granted();
}

qos_ticket* qos_scheduler::serve(core::ticks now) {
    unpark(now);
    forgive_lateness(now);
    for (;;) {
        const entry* const read = top(io_direction::read, now);
        const entry* const write = top(io_direction::write, now);
        if (!read && !write)
            break;
        io_direction d = read ? io_direction::read : io_direction::write;
        if (read && write)
            d = read->key == write->key ? other(read->host->last)
                                        : (read->key < write->key ? io_direction::read : io_direction::write);
        qos_host& h = *(d == io_direction::read ? read : write)->host;
        virtual_now_ = std::max(virtual_now_, h.used);
        grant(h, d, share_of(*lane_of(h, d).tickets.front(), now));
    }
    return collect_granted();
}

/// What is not limited is ready since the beginning of time, which is no lateness.
void qos_scheduler::forgive_lateness(core::ticks now) noexcept {
    core::ticks due = now;
    for (const io_direction d : both)
        if (const core::ticks at = limits_.ready_at(d); listed_[index_of(d)] > 0 && at > 0)
            due = std::min(due, at);
    limits_.forgive_lateness(due, now);
}

qos_ticket* qos_scheduler::collect_granted() noexcept {
    qos_ticket* list = nullptr;
    for (qos_ticket* const t : granted_) {
        if (t->waits)
            remove(*t);
        t->next = std::exchange(list, t);
    }
    granted_.clear();
    update_contended();
    return list;
}

/// Half of its part of the credit that there is: its host's by weight, and of that an equal part with the host's other
/// tickets. At least one command, for there is credit.
std::uint64_t qos_scheduler::share_of(const qos_ticket& t, core::ticks now) const noexcept {
    const io_cost one{1, t.bytes_of_each, t.direction};
    const std::uint64_t wanted = t.wanted.load(std::memory_order_relaxed);
    const auto left = static_cast<double>(std::max(wanted, t.granted + 1) - t.granted);
    const auto commands = [&](const rate_limiter& of, double part) {
        const double each = of.duration_of(one);
        const double credit = static_cast<double>(now - std::min(now, of.ready_at(t.direction)));
        return each > 0 ? std::max(1.0, credit * part / each) : left;
    };
    const std::uint64_t all = limits_.shared_by_directions() ? listed_[0] + listed_[1] : listed_[index_of(t.direction)];
    const double part = 0.5 / static_cast<double>(t.host->lanes[index_of(t.direction)].tickets.size());
    const double n = std::min(
        {left, commands(limits_, part * t.host->weight / static_cast<double>(all)), commands(t.host->own, part)});
    return static_cast<std::uint64_t>(n);
}

/// Where the host is listed, its key is out of date then: see top().
void qos_scheduler::grant(qos_host& h, io_direction d, std::uint64_t n) {
    lane& l = lane_of(h, d);
    qos_ticket& t = *l.tickets.front();
    if (t.granted == 0)
        granted_.push_back(&t);
    const io_cost cost{n, n * t.bytes_of_each, d};
    limits_.charge(d, static_cast<std::int64_t>(cost.ios), static_cast<std::int64_t>(cost.bytes));
    h.own.charge(d, static_cast<std::int64_t>(cost.ios), static_cast<std::int64_t>(cost.bytes));
    t.granted += n;
    t.charged = true;
    h.last = d;
    h.used += limits_.duration_of(cost) / h.weight;
    l.used = t.used;
    remove_first(h, d);
    t.used += std::max(limits_.duration_of(cost), h.own.duration_of(cost));
    if (t.granted < t.wanted.load(std::memory_order_relaxed))
        add(t);
    else
        t.waits = false;
}

qos_ticket* qos_scheduler::release_all() noexcept {
    qos_ticket* list = nullptr;
    const auto release = [&](qos_host& h, io_direction d) {
        while (!lane_of(h, d).tickets.empty()) {
            qos_ticket& t = *lane_of(h, d).tickets.front();
            remove(t);
            t.granted = t.wanted.load(std::memory_order_relaxed);
            t.charged = false;
            t.next = std::exchange(list, &t);
        }
    };
    for (const io_direction d : both)
        for (const entry& e : heap(d))
            release(*e.host, d);
    for (const parked& p : parked_)
        release(*p.host, p.direction);
    return list;
}

std::optional<core::ticks> qos_scheduler::next_due() const noexcept {
    std::optional<core::ticks> due;
    const auto consider = [&](core::ticks at) { due = due ? std::min(*due, at) : at; };
    for (const io_direction d : both)
        if (listed_[index_of(d)] > 0)
            consider(limits_.ready_at(d));
    for (const parked& p : parked_)
        if (!p.host->lanes[index_of(p.direction)].tickets.empty())
            consider(p.host->own.ready_at(p.direction));
    return due;
}

}  // namespace causeway::nvmf
