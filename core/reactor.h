// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/background.h"
#include "core/busy_poll.h"
#include "core/clock.h"
#include "core/counter.h"
#include "core/mailbox.h"
#include "core/poller.h"
#include "core/timer.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <vector>

namespace causeway::core {

class reactor_group;

struct reactor_options {
    /// How long a reactor without work continues to poll before it sleeps, while that pays: see busy_poll.h.
    nanoseconds busy_poll_window = std::chrono::microseconds(50);
    bool never_sleep = false;
    /// The most events that one poller handles in a turn, so that its neighbours get theirs.
    unsigned poll_budget = 64;
    /// A reactor that does nothing for longer than this, although it runs, has stalled: see reactor::stalls(). A
    /// quarter of the shortest keep-alive timeout that transports grant, so that a stall is noticed before any host's
    /// view of its controller ends.
    nanoseconds stall_limit = std::chrono::milliseconds(2500);
    /// The most messages of post() in a turn, so that pollers get theirs.
    unsigned message_budget = 64;
    /// What control work (post_background()) may cost in a turn, in units of about a microsecond. Bounds how long it
    /// holds up data I/O on the same core.
    unsigned background_budget = 64;
};

/// What one CPU core runs: it takes its mailbox, its timers and its pollers in turns, and sleeps when all are
/// idle.
///
/// Everything that a reactor owns is touched by its thread alone. Others reach it with post().
class reactor {
  public:
    reactor(reactor_group& group, unsigned index, unsigned cpu, const clock& time, reactor_options options);
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    ~reactor();

    /// The reactor whose turn runs on the calling thread; nullptr on a foreign thread.
#ifdef __clang__
    // Inlined into a coroutine, the variable's address would be kept while the coroutine moves to another thread.
    [[gnu::noinline]]
#endif
    static reactor*
    current() noexcept {
        return current_;
    }

    reactor_group& group() const noexcept { return group_; }
    unsigned index() const noexcept { return index_; }  ///< 0 … group().size() - 1
    unsigned cpu() const noexcept { return cpu_; }      ///< the lcore
    const std::string& name() const noexcept { return name_; }
    const clock& time() const noexcept { return time_; }
    const reactor_options& options() const noexcept { return options_; }

    /// The time at which the current turn, or its current part, began.
    ticks now() const noexcept { return now_; }

    /// How often this reactor has stalled: between two steps of run(), more than options().stall_limit has passed,
    /// because the process or its machine was stopped, or something blocked. Reads the clock, so that a stall is
    /// noticed at the first call after it, even in the middle of a turn. What was received before a stall may be out of
    /// date: its sender may have given up meanwhile. On this reactor.
    std::uint32_t stalls() noexcept {
        if (stalled_at(time_.now())) [[unlikely]]
            record_stall(time_.to_nanoseconds(time_.now() - now_));
        return static_cast<std::uint32_t>(stats_.stalls.get());
    }
    /// Counts a stall that has ended now. For a simulation, whose reactors cannot be stopped.
    void record_stall(nanoseconds length) noexcept;

    /// Any thread. Runs `m.handle` on this reactor; allocates nothing, cannot fail.
    void post(message& m) noexcept {
        if (mailbox_.push(m))
            wake();
    }

    /// Any thread. As post(), for control work that may come in any amount (admin commands, parts of long answers): no
    /// message of post() waits behind it, and in a turn only as many run as reactor_options::background_budget allows,
    /// but at least one. In order within a background_queue, and the queues take turns; in no order with post().
    void post_background(background_message& m) noexcept {
        if (background_.post(m))
            wake();
    }
    /// On this reactor. Control work reports its cost beyond the first microsecond.
    void spend(unsigned units) noexcept { background_.spend(units); }
    /// What control work has cost in this turn, or else in the last one that had any.
    unsigned background_spent() const noexcept { return background_.spent(); }

    /// Any thread. Control path: allocates.
    void execute(std::function<void()> f);

    /// One turn. Returns how many events it handled. Called by run(), or by a simulation that draws the
    /// turns.
    unsigned turn() noexcept;

    /// Takes turns until stop(), and then one more: what was posted before stop() is still handled. What is
    /// posted later never is.
    void run() noexcept;
    void stop() noexcept;  ///< any thread, a signal handler included

    /// When the earliest timer is due; the highest value if there is none.
    ticks next_timer() const noexcept;
    /// True: there are messages. For a simulation that looks for a reactor with work.
    bool has_messages() const noexcept { return !mailbox_.empty() || !background_.empty(); }
    /// True: this reactor would sleep now. For a simulation, between turns: pollers are asked by arm().
    bool idle() noexcept;

    struct statistics {
        counter busy_ticks;
        counter idle_ticks;   ///< awake or asleep, without work
        counter sleep_ticks;  ///< the part of idle_ticks spent asleep
        counter sleeps;       ///< begun
        counter turns;
        counter messages;
        counter stalls;
    };
    const statistics& stats() const noexcept { return stats_; }

    struct poller_view {
        std::string_view name;
        std::uint64_t runs, busy_runs, busy_ticks;
    };
    /// On this reactor.
    std::vector<poller_view> pollers() const;
    std::size_t timer_count() const noexcept { return timers_.size(); }

    /// The operating system's ID of the thread that runs this reactor; 0 before it runs.
    int thread_id() const noexcept { return thread_id_.load(std::memory_order_relaxed); }

  private:
    friend class poller_registration;
    friend class timer;
    friend class fd_watch;

    struct registered_poller {
        std::string_view name;
        poller* object;
        std::unique_ptr<poller_statistics> stats;
    };

    void add(std::string_view name, poller& p);
    void remove(poller& p) noexcept;
    void watch(class fd_watch& w, std::uint32_t events);
    void rewatch(class fd_watch& w, std::uint32_t events);
    void unwatch(class fd_watch& w) noexcept;

    void wake() noexcept;
    bool stalled_at(ticks now) const noexcept { return now > now_ && now - now_ > stall_ticks_; }
    /// The next step of this reactor begins.
    void advance(ticks now) noexcept {
        if (stalled_at(now)) [[unlikely]]
            record_stall(time_.to_nanoseconds(now - now_));
        now_ = now;
    }
    bool has_rest() const noexcept { return mailbox_.has_rest() || background_.has_rest(); }
    unsigned run_timers() noexcept;
    unsigned run_pollers() noexcept;
    void wait_for_descriptors(nanoseconds timeout) noexcept;
    unsigned run_descriptors() noexcept;
    void sleep() noexcept;
    bool arm_all() noexcept;
    bool arm_mailboxes() noexcept;
    void disarm(std::size_t armed) noexcept;
    nanoseconds sleep_limit() const noexcept;

    static constinit thread_local reactor* current_;

    reactor_group& group_;
    const unsigned index_;
    const unsigned cpu_;
    const std::string name_;
    const clock& time_;
    const reactor_options options_;

    ticks now_ = 0;  ///< between turns: when the last one, or the last sleep, ended
    /// Stall_limit, within run(): a test's clock may jump between turns.
    ticks stall_ticks_ = std::numeric_limits<ticks>::max();
    ticks last_work_ = 0;
    ticks next_descriptor_check_ = 0;
    busy_poll busy_poll_;
    const ticks descriptor_check_ticks_;

    std::vector<registered_poller> pollers_;
    std::vector<registered_poller> retired_;  ///< unregistered from within a poll; gone at the end of the turn
    std::size_t polling_ = 0;                 ///< index of the poller that runs, while one does
    bool in_pollers_ = false;

    timer_queue timers_;
    // By a number that is never used again: events of epoll for a removed watch are ignored.
    std::map<std::uint64_t, class fd_watch*> watches_;
    std::uint64_t last_watch_ = 0;
    std::array<epoll_event, 32> ready_;  ///< what the last wait found
    std::size_t ready_count_ = 0;        ///< and how much of it waits to be handled
    int epoll_fd_;
    int event_fd_;
    std::atomic<bool> stop_{false};
    std::atomic<int> thread_id_{0};
    statistics stats_;

    mailbox mailbox_;
    background_work background_;
};

/// Calls a function on a reactor when a file descriptor is ready: at once when the reactor sleeps, within a
/// millisecond when it is busy. For control connections and event channels, not for the data path. Made and
/// destroyed on that reactor, or while it does not run, and before `fd` is closed. The function may destroy
/// its watch. One watch for a descriptor on a reactor; what epoll refuses is thrown as std::system_error.
class fd_watch {
  public:
    using function = std::function<void(std::uint32_t epoll_events)>;

    fd_watch(reactor& r, int fd, std::uint32_t epoll_events, function f);
    fd_watch(const fd_watch&) = delete;
    fd_watch& operator=(const fd_watch&) = delete;
    ~fd_watch();

    void set_events(std::uint32_t epoll_events);

  private:
    friend class reactor;
    reactor& reactor_;
    const int fd_;
    std::uint64_t number_ = 0;  ///< among all watches of its reactor
    callback<std::uint32_t> function_;
};

}  // namespace causeway::core
