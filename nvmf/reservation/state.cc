// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/state.h"

#include "nvme/command.h"

#include <algorithm>

namespace causeway::nvmf::reservation {

namespace {

using nvme::reservation_acquire_action;
using nvme::reservation_notice;
using nvme::reservation_ptpl_change;
using nvme::reservation_register_action;
using nvme::reservation_release_action;

// Bytes of the command, for the error log.
constexpr unsigned at_action = offsetof(nvme::command, cdw10);
constexpr unsigned at_type = offsetof(nvme::command, cdw10) + 1;
constexpr unsigned at_ptpl = offsetof(nvme::command, cdw10) + 3;

constexpr verdict conflict = nvme::sc::reservation_conflict.with_dnr();
/// Of a key in the data, which the error log has no location for.
constexpr verdict wrong_key = nvme::sc::invalid_field.with_dnr();

auto position(auto& registrants, const host_id& host) noexcept {
    return std::lower_bound(registrants.begin(), registrants.end(), host,
                            [](const registrant& r, const host_id& h) { return r.host < h; });
}

transition refused(const state& now, verdict v) {
    return {v, now};
}

bool has_key(const state& s, const host_id& host, std::uint64_t key) noexcept {
    const registrant* r = s.find(host);
    return r && r->key == key;
}

void reserve(state& s, reservation_type type, const host_id& by) {
    s.type = type;
    s.holder = is_all_registrants(type) ? host_id{} : by;
}

void release(state& s) {
    s.type = reservation_type::none;
    s.holder = {};
}

/// Unregisters those hosts, and releases the reservation if no holder of it is left. Returns them.
template <class Which>
std::vector<host_id> unregister(state& s, Which which) {
    std::vector<host_id> gone;
    for (const registrant& r : s.registrants)
        if (which(r))
            gone.push_back(r.host);
    std::erase_if(s.registrants, which);
    const bool holder_is_gone = is_all_registrants(s.type) ? s.registrants.empty() : s.is_held() && !s.find(s.holder);
    if (holder_is_gone)
        release(s);
    return gone;
}

/// To all registrants but `by`, whose command it was.
void notify_registrants(transition& t, const host_id& by, reservation_notice what) {
    for (const registrant& r : t.next.registrants)
        if (r.host != by)
            t.notifications.push_back({r.host, what});
}

// ---- Register.

verdict check(const register_command& c, bool can_persist) noexcept {
    if (c.action > reservation_register_action::replace_key)
        return wrong_field(at_action);
    if (c.ptpl_change == reservation_ptpl_change::reserved ||
        (c.ptpl_change == reservation_ptpl_change::set && !can_persist))
        return wrong_field(at_ptpl, 6);
    if (c.action != reservation_register_action::unregister_key && c.nrkey == 0)
        return wrong_key;
    return {};
}

verdict register_key(state& s, const host_id& by, std::uint64_t key) {
    if (const registrant* r = s.find(by))
        return r->key == key ? verdict() : conflict;
    if (s.registrants.size() == state::max_registrants)
        return nvme::sc::internal_error;
    s.registrants.insert(position(s.registrants, by), {by, key});
    return {};
}

// ---- Acquire.

verdict check(const acquire_command& c) noexcept {
    if (c.action > reservation_acquire_action::preempt_and_abort)
        return wrong_field(at_action);
    if (c.ignore_existing_key)
        return wrong_field(at_action, 3);
    if (!is_valid(c.type))
        return wrong_field(at_type);
    return {};
}

verdict acquire(state& s, const host_id& by, reservation_type type) {
    if (s.is_held())  // a holder may acquire what it has
        return s.is_holder(by) && s.type == type ? verdict() : conflict;
    reserve(s, type, by);
    return {};
}

/// Whether PRKEY means the reservation, and not only registrations.
bool preempts_reservation(const state& s, std::uint64_t prkey) noexcept {
    if (is_all_registrants(s.type))
        return prkey == 0;
    return s.is_held() && s.find(s.holder)->key == prkey;
}

transition preempt(const state& now, const host_id& by, const acquire_command& c) {
    transition t{{}, now};
    std::vector<host_id> gone;
    if (preempts_reservation(now, c.prkey)) {
        gone =
            unregister(t.next, [&](const registrant& r) { return r.host != by && (c.prkey == 0 || r.key == c.prkey); });
        reserve(t.next, c.type, by);
    } else if (c.prkey == 0 && now.is_held()) {
        return refused(now, wrong_key);
    } else {
        gone = unregister(t.next, [&](const registrant& r) { return r.key == c.prkey; });
        if (gone.empty())
            return refused(now, conflict);
    }
    ++t.next.generation;
    for (const host_id& host : gone)
        if (host != by)
            t.notifications.push_back({host, reservation_notice::registration_preempted});
    if (now.is_held() && t.next.type != now.type)
        notify_registrants(t, by, reservation_notice::reservation_released);
    return t;
}

// ---- Release.

verdict check(const release_command& c) noexcept {
    if (c.action > reservation_release_action::clear)
        return wrong_field(at_action);
    if (c.ignore_existing_key)
        return wrong_field(at_action, 3);
    return {};
}

transition clear(const state& now, const host_id& by) {
    transition t{{}, now};
    notify_registrants(t, by, reservation_notice::reservation_preempted);
    t.next.registrants.clear();
    release(t.next);
    ++t.next.generation;
    return t;
}

}  // namespace

const registrant* state::find(const host_id& host) const noexcept {
    const auto at = position(registrants, host);
    return at != registrants.end() && at->host == host ? &*at : nullptr;
}

bool state::is_holder(const host_id& host) const noexcept {
    return is_held() && (is_all_registrants(type) ? find(host) != nullptr : holder == host);
}

transition apply(const state& now, const host_id& by, const register_command& c, bool can_persist) {
    transition t{check(c, can_persist), now};
    if (!t.result.ok())
        return t;
    if (c.action == reservation_register_action::register_key) {
        t.result = register_key(t.next, by, c.nrkey);
    } else if (!now.find(by) || (!c.ignore_existing_key && !has_key(now, by, c.crkey))) {
        t.result = conflict;
    } else if (c.action == reservation_register_action::replace_key) {
        position(t.next.registrants, by)->key = c.nrkey;
    } else {
        unregister(t.next, [&](const registrant& r) { return r.host == by; });
        if (is_registrants_only(now.type) && !t.next.is_held())
            notify_registrants(t, by, reservation_notice::reservation_released);
    }
    if (!t.result.ok())
        return refused(now, t.result);
    ++t.next.generation;
    if (c.ptpl_change != reservation_ptpl_change::none)
        t.next.persists = c.ptpl_change == reservation_ptpl_change::set;
    return t;
}

transition apply(const state& now, const host_id& by, const acquire_command& c) {
    if (const verdict v = check(c); !v.ok())
        return refused(now, v);
    if (!has_key(now, by, c.crkey))
        return refused(now, conflict);
    if (c.action != reservation_acquire_action::acquire)
        return preempt(now, by, c);
    transition t{{}, now};
    t.result = acquire(t.next, by, c.type);
    return t;
}

transition apply(const state& now, const host_id& by, const release_command& c) {
    if (const verdict v = check(c); !v.ok())
        return refused(now, v);
    if (!has_key(now, by, c.crkey))
        return refused(now, conflict);
    if (c.action == reservation_release_action::clear)
        return clear(now, by);
    transition t{{}, now};
    if (!now.is_holder(by))  // there is nothing that it could release: a success without effect
        return t;
    if (c.type != now.type)
        return refused(now, wrong_field(at_type));
    release(t.next);
    if (is_registrants_only(now.type) || is_all_registrants(now.type))
        notify_registrants(t, by, reservation_notice::reservation_released);
    return t;
}

}  // namespace causeway::nvmf::reservation
