// SPDX-License-Identifier: Apache-2.0
// The names of what reactors count.
#pragma once

#include "core/counter_registry.h"
#include "core/reactor.h"

#include <cstddef>

namespace causeway::core {

inline constexpr metric reactor_rows[] = {
    {"causeway_reactor_busy_ticks_total", "", metric_kind::counter, "Time with work.",
     offsetof(reactor::statistics, busy_ticks), metric_unit::ticks},
    {"causeway_reactor_idle_ticks_total", "", metric_kind::counter, "Time without work, awake or asleep.",
     offsetof(reactor::statistics, idle_ticks), metric_unit::ticks},
    {"causeway_reactor_sleep_ticks_total", "", metric_kind::counter, "Time asleep, which is part of the idle time.",
     offsetof(reactor::statistics, sleep_ticks), metric_unit::ticks},
    {"causeway_reactor_sleeps_total", "", metric_kind::counter, "Sleeps that began.",
     offsetof(reactor::statistics, sleeps)},
    {"causeway_reactor_turns_total", "", metric_kind::counter, "Turns.", offsetof(reactor::statistics, turns)},
    {"causeway_reactor_messages_total", "", metric_kind::counter, "Messages that were handled.",
     offsetof(reactor::statistics, messages)},
    {"causeway_reactor_stalls_total", "", metric_kind::counter, "Stalls, after which old writes are not executed.",
     offsetof(reactor::statistics, stalls)},
};
static_assert(lists_each_counter(reactor_rows, sizeof(reactor::statistics)));
inline constexpr metric_table<reactor::statistics> reactor_table{"reactor", reactor_rows};

/// Control reactor, or before the reactors run. The counters of all reactors of the group, which outlives the
/// registration. Errors as of counter_registry::add().
inline result<counter_registration> register_reactors(counter_registry& in, reactor_group& group) {
    auto made = in.add({reactor_table, {}, group.size()});
    if (made)
        for (const auto& r : group)
            made->attach(reactor_table, r->index(), r->stats());
    return made;
}

}  // namespace causeway::core
