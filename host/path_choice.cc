// SPDX-License-Identifier: Apache-2.0
#include "host/path_set.h"

#include <algorithm>

// The data path of a path_set: each core chooses the paths of its own commands.

namespace causeway::host {

namespace {

/// Before a command is tried again by a path that has just refused it.
constexpr auto retry_after = std::chrono::milliseconds(10);

/// The smaller the better; above `last_usable`: not at all.
constexpr unsigned last_usable = 1;
constexpr unsigned rank_of(nvme::ana_state s) noexcept {
    switch (s) {
    case nvme::ana_state::optimized: return 0;
    case nvme::ana_state::non_optimized: return 1;
    default: return 2;
    }
}

}  // namespace

path_set::per_core& path_set::core_of_caller() noexcept {
    const auto& all = options_.controller.io_reactors;
    return cores_[static_cast<std::size_t>(std::find(all.begin(), all.end(), core::reactor::current()) - all.begin())];
}

void path_set::use_memory(std::size_t core, std::span<std::byte> memory) {
    per_core& c = cores_[core];
    c.memory.push_back(memory);
    for (view& v : c.views)
        if (v.queue)
            v.queue->use_memory(memory);
}

void path_set::submit(std::size_t core, path_request& r) noexcept {
    per_core& c = cores_[core];
    r.caller_done = r.done;
    r.set = this;
    r.done = &answered;
    if (c.first_waiting || !send(c, r))
        wait(c, r);
}

/// Without ANA all paths are equal.
nvme::ana_state path_set::state_of(const view& v, std::uint32_t nsid) const noexcept {
    if (!v.has_ana)
        return nvme::ana_state::optimized;
    const auto at = std::lower_bound(v.states.begin(), v.states.end(), nsid,
                                     [](const auto& s, std::uint32_t n) { return s.first < n; });
    return at != v.states.end() && at->first == nsid ? at->second : nvme::ana_state::inaccessible;
}

/// False: there is no path now.
bool path_set::send(per_core& c, path_request& r) noexcept {
    for (unsigned rank = 0; rank <= last_usable; ++rank) {
        bool is_full = false;
        for (std::size_t i = 0; i < c.views.size(); ++i) {
            const std::size_t path = (c.turn + i) % c.views.size();
            const view& v = c.views[path];
            if (!v.queue || !v.queue->is_open() || rank_of(state_of(v, r.command.nsid)) != rank)
                continue;
            r.path = path;
            if (v.queue->submit(r)) {
                c.turn = path + 1;
                return true;
            }
            is_full = true;
        }
        if (is_full)
            return false;  // a busy path is no reason to use a worse one
    }
    return false;
}

void path_set::wait(per_core& c, path_request& r) noexcept {
    if (c.no_path_expired) {
        r.completion = lost_completion();
        r.done = r.caller_done;
        return r.done(r);
    }
    r.next = nullptr;
    (c.first_waiting ? c.last_waiting->next : c.first_waiting) = &r;
    c.last_waiting = &r;
}

void path_set::send_waiting(per_core& c) noexcept {
    path_request* r = std::exchange(c.first_waiting, nullptr);
    while (r) {
        path_request* const next = r->next;
        if (!send(c, *r))
            wait(c, *r);
        r = next;
    }
}

void path_set::answered(request& base) noexcept {
    auto& r = static_cast<path_request&>(base);
    path_set& self = *r.set;
    per_core& c = self.core_of_caller();
    const nvme::status s = r.status();
    if (s.type() == nvme::sct::path && !s.dnr() && !c.no_path_expired)
        return self.retry(c, r);
    r.done = r.caller_done;
    r.done(r);
    if (c.first_waiting)
        self.send_waiting(c);
}

/// Not by this path: not before the controller reports a change.
void path_set::retry(per_core& c, path_request& r) noexcept {
    ++c.redriven;
    view& v = c.views[r.path];
    const nvme::status s = r.status();
    const bool is_ana = s.is(nvme::sc::asymmetric_access_inaccessible) ||
                        s.is(nvme::sc::asymmetric_access_persistent_loss) ||
                        s.is(nvme::sc::asymmetric_access_transition);
    if (is_ana && v.has_ana) {
        for (auto& [nsid, state] : v.states)
            if (nsid == r.command.nsid)
                state = nvme::ana_state::inaccessible;
        home_->execute([this, path = r.path] {
            if (ways_[path].its && ways_[path].its->is_alive())
                schedule_ana_read(path);
        });
    } else if (v.queue && v.queue->is_open()) {
        // The path is there and refuses: it is asked again, but not at once.
        wait(c, r);
        if (!c.again->armed())
            c.again->arm_after(retry_after);
        return;
    }
    if (!send(c, r))
        wait(c, r);
}

}  // namespace causeway::host
