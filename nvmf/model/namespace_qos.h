// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/event.h"
#include "core/reactor_group.h"
#include "core/task.h"
#include "core/timer.h"
#include "nvmf/model/qos_scheduler.h"
#include "nvmf/request.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace causeway::nvmf {

class namespace_qos;
class qpair;
struct core_qos;

/// The commands of one queue pair on one namespace, in one direction, that wait for credit, in order. On the queue
/// pair's core; its messages travel to the core where the namespace's scheduler lives, and back.
struct qos_flow {
    using resume_function = void (*)(core_qos&, request&, io_direction waited) noexcept;

    core_qos* of = nullptr;
    qpair* owner = nullptr;  ///< until it has ended
    core::reactor* core = nullptr;
    resume_function resume = nullptr;
    std::array<char, 224> host_nqn{};  ///< a copy: the controller may be gone before the ticket is back
    request* first = nullptr;          ///< linked by the target's side
    request* last = nullptr;
    std::uint64_t ios = 0, bytes = 0;  ///< that those cost which wait
    /// Granted, and too little for the first of them.
    std::uint64_t kept_ios = 0, kept_bytes = 0;

    struct ticket_message : qos_ticket {
        qos_flow* flow = nullptr;
    } ticket;
    struct cancel_message : core::message {
        qos_flow* flow = nullptr;
    } cancel;
    unsigned away = 0;   ///< of the two messages
    bool ended = false;  ///< its queue pair, or its namespace, is gone: it goes when both are back

    qos_flow* before = nullptr;  ///< fifo's, of the core
    qos_flow* after = nullptr;
    qos_flow* next_of_qpair = nullptr;
};

/// What an operator has set for one host on one namespace.
struct host_share {
    bdev::rate_limits limits{};
    std::uint32_t weight = 1;  ///< its part of the namespace's limits, relative to the other hosts that wait

    bool is_default() const noexcept { return *this == host_share(); }
    bool operator==(const host_share&) const = default;
};

/// A host with limits of its own, on one core. That core's alone, but for `limits`.
struct core_host {
    rate_limiter* limits = nullptr;
    core_credit credit;
};

/// What one core has of a namespace's limits. Only that core accesses it.
struct core_qos {
    namespace_qos* of = nullptr;
    core_credit credit;
    core::fifo<qos_flow> flows;
    std::map<std::string, core_host> hosts;  ///< with limits of their own, by NQN
    struct {
        std::uint64_t number = 0;
        core_host* host = nullptr;
    } last_host;                      ///< that was looked up
    core::event* no_flows = nullptr;  ///< set when the last one goes
};

/// The limits of one namespace: what its device may start, divided among hosts and queue pairs.
///
/// A command that its core has credit for costs some additions on that core. If there is none, the command waits in the
/// flow of its queue pair, before it has a buffer, and the flow's ticket travels to `home`, where the scheduler grants
/// credit as it comes. So neither locks nor lines that all cores write are needed for each I/O, and hosts share a limit
/// fairly wherever their queue pairs live.
///
/// Made and destroyed on the control reactor.
class namespace_qos {
  public:
    /// `home`: where waiting commands are scheduled.
    namespace_qos(core::reactor_group& group, core::reactor& home);

    // ---- Control reactor; one call at a time.

    /// What waits goes on under the new limits at once. The caller visits every core with on_limits_changed() then.
    core::task<> set_limits(bdev::rate_limits limits);
    /// The same, before any core knows of it.
    void begin_with(bdev::rate_limits limits);
    bool limited() const noexcept { return device_limited_ || limits_hosts(); }
    /// Some hosts have limits of their own.
    bool limits_hosts() const noexcept { return limited_hosts_ > 0; }
    /// As set_limits(), for one host: its limits, which no other host has. The caller visits every core with
    /// on_host_changed() and on_limits_changed() then, and calls leave_unset_host() where the share is the default.
    core::task<rate_limiter*> set_host(std::string nqn, host_share before, host_share now);
    core::task<> leave_unset_host(std::string nqn);
    /// Nothing waits any more: commands that did are resumed. Ends when no core has a flow. REQUIRES: nothing new
    /// comes.
    core::task<> close();

    // ---- Each core.

    core_qos& on_core(std::size_t core) noexcept { return cores_.on(core); }
    /// On the core of `q`. `limited`: as after set_limits().
    void on_limits_changed(core_qos& q, bool limited) noexcept;
    /// On the core of `q`. nullptr: the host has no limits of its own any more.
    void on_host_changed(core_qos& q, const std::string& nqn, rate_limiter* limits);
    rate_limiter& limiter() noexcept { return limits_; }

  private:
    friend struct qos_messages;

    qos_host& host_of(const std::string& nqn);
    void leave_host(qos_host& h) noexcept;
    void on_ticket(qos_ticket& t) noexcept;
    void reopen(bool open) noexcept;
    void serve_all() noexcept;
    void send_back(qos_ticket* granted) noexcept;
    void release_all() noexcept;
    void arm() noexcept;

    core::reactor_group& group_;
    core::reactor& home_;
    core::per_core<core_qos> cores_;
    rate_limiter limits_;
    bool device_limited_ = false;    ///< control reactor
    std::size_t limited_hosts_ = 0;  ///< control reactor

    // On `home_`.
    qos_scheduler scheduler_{limits_};
    std::map<std::string, qos_host> hosts_;  ///< by NQN
    core::timer timer_;
    core::ticks last_tick_ = 0;
    bool open_ = false;             ///< false: nothing has to wait
    const core::nanoseconds tick_;  ///< grants are gathered for so long
};

// ---- On the queue pair's core.

/// `r`, which costs `c`, waits in the flow of its queue pair. `resume` is called when it may go on with all of that;
/// not within this call. False: there is no memory for its flow.
bool defer(core_qos& q, request& r, const io_cost& c, qos_flow::resume_function resume) noexcept;
/// It waits no longer. Where the other half of its fused pair has waited for it, that one takes its place. REQUIRES: it
/// waits.
void cancel_deferred(request& r) noexcept;
/// The host of `q`, if it has limits of its own there.
core_host* find_limited_host(core_qos& q, const qpair& of) noexcept;
/// The queue pair ends: nothing of it waits any more.
void end_flows(qpair& q) noexcept;

}  // namespace causeway::nvmf
