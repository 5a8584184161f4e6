// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/mailbox.h"
#include "nvmf/model/rate_limiter.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace causeway::nvmf {

struct qos_host;

/// Commands of one queue pair, in one direction, that wait for credit. It asks for so many, and is granted some of
/// them.
struct qos_ticket : core::message {
    qos_host* host = nullptr;
    io_direction direction = io_direction::read;
    /// Commands. May change while it waits: grants are for what waits then, not for what did when it came. 0: all of
    /// that has been aborted.
    std::atomic<std::uint64_t> wanted{0};
    std::uint64_t bytes_of_each = 0;  ///< on average
    std::uint64_t granted = 0;        ///< of those wanted
    bool charged = false;             ///< the limits have been charged with what was granted
    bool waits = false;               ///< with the scheduler
    double used = 0;                  ///< as qos_host::used, among the tickets of its host
    qos_ticket* next = nullptr;       ///< of those that were granted something
};

/// What a scheduler knows of one host.
struct qos_host {
    /// As of rate_limiter.
    qos_host(const core::clock& time, std::size_t cores, core::nanoseconds late_wake_ups = {}) noexcept
        : own(time, cores, late_wake_ups) {}

    std::uint32_t weight = 1;
    rate_limiter own;         ///< its own limits; unlimited unless an operator has set some
    std::uint32_t users = 0;  ///< the owner's: flows, and an operator's settings
    bool is_set = false;      ///< an operator has set its limits or its weight

    // The scheduler's.
    struct lane {
        enum class place : std::uint8_t { nowhere, listed, parked };
        place at = place::nowhere;
        std::vector<qos_ticket*> tickets;  ///< a heap: the one that has used least is first
        double used = 0;                   ///< by the last one that was served
    };
    std::array<lane, io_directions> lanes;
    double used = 0;                          ///< time of the limit, divided by the weight
    io_direction last = io_direction::write;  ///< in which it was served
};

/// Decides whose waiting commands go next when a namespace has used its limits up: start-time fair queueing (Goyal,
/// Vin, Chen 1996) over hosts by weight, and the tickets of a host in turn.
///
/// A host's clock advances by what it is granted, as time of the limit, divided by its weight; the host whose clock is
/// furthest behind goes next. One that comes back begins where the others are, so nobody saves up, and a host that asks
/// for little is behind those that ask for much: it does not wait behind their commands. What a host leaves, the others
/// get. A host that has used up limits of its own is set aside until it has credit again.
///
/// Commands are granted in small numbers, so that all get their part of what credit there is, but those of a ticket
/// travel together.
///
/// Pure: the owner brings tickets, time and a timer. On one core.
class qos_scheduler {
  public:
    explicit qos_scheduler(rate_limiter& limits) noexcept : limits_(limits) {}

    /// REQUIRES: its members but `granted` are set, and it does not wait.
    void insert(qos_ticket& t, core::ticks now);
    /// REQUIRES: it waits.
    void remove(qos_ticket& t) noexcept;
    /// A host leaves. REQUIRES: no ticket of it waits.
    void forget(qos_host& h) noexcept;

    void set_weight(qos_host& h, std::uint32_t weight) noexcept;

    // What was granted something waits no longer, and is returned as a list.

    /// Grants what there is credit for.
    qos_ticket* serve(core::ticks now);
    /// Grants to a host that has just come, of the credit that serve() will give to all, what is due to it.
    qos_ticket* serve_newcomer(core::ticks now, qos_host& h);
    /// Grants all that is wanted, and charges nothing.
    qos_ticket* release_all() noexcept;

    /// When serve() can grant something; nullopt: nobody waits.
    std::optional<core::ticks> next_due() const noexcept;

  private:
    using lane = qos_host::lane;
    struct entry {
        double key;
        qos_host* host;
    };

    static lane& lane_of(qos_host& h, io_direction d) noexcept { return h.lanes[static_cast<unsigned>(d)]; }
    std::vector<entry>& heap(io_direction d) noexcept { return heaps_[static_cast<unsigned>(d)]; }

    qos_ticket* collect_granted() noexcept;
    void list(qos_host& h, io_direction d);
    void unlist_top(io_direction d) noexcept;
    void park(qos_host& h, io_direction d);
    void unpark(core::ticks now);
    const entry* top(io_direction d, core::ticks now);
    void grant(qos_host& h, io_direction d, std::uint64_t n);
    std::uint64_t share_of(const qos_ticket& t, core::ticks now) const noexcept;
    void add(qos_ticket& t);
    void remove_first(qos_host& h, io_direction d) noexcept;
    void on_count_changed(qos_host& h, io_direction d, std::size_t before) noexcept;
    void forgive_lateness(core::ticks now) noexcept;
    void update_contended() noexcept;

    struct parked {
        qos_host* host;
        io_direction direction;
    };

    rate_limiter& limits_;
    std::array<std::vector<entry>, io_directions> heaps_;  ///< by key, the least first; keys may be out of date
    std::vector<parked> parked_;
    std::array<std::uint64_t, io_directions> listed_{};  ///< weights of hosts that are listed with tickets
    double virtual_now_ = 0;                             ///< what the host had used that was served last
    std::vector<qos_ticket*> granted_;                   ///< by this serve()
};

}  // namespace causeway::nvmf
