// SPDX-License-Identifier: Apache-2.0
#include "core/log_writer.h"

#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>
#include <utility>

namespace causeway::core::log {

namespace {

/// A thread inherits the CPU of the one that made it, and reactors are pinned.
void leave_the_reactors_cpu() noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        CPU_SET(cpu, &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);  // in vain: it runs where its maker ran
}

/// For a thread that is made meanwhile: signals are for others.
class signals_blocked {
  public:
    signals_blocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

}  // namespace

writer& writer::get() {
    static writer* const only = new writer;
    return *only;
}

writer::writer() {
    try {
        const signals_blocked none;
        std::thread([this] { run(); }).detach();
        has_thread_ = true;
        std::atexit([] { get().end(); });
    } catch (const std::system_error&) {  // no thread
    }
}

/// A process that ends says first what it has logged, unless nobody reads it.
void writer::end() {
    flush();
    std::lock_guard lock(mutex_);
    has_thread_ = false;
}

void writer::add(kind k, entry e) {
    const auto now = log_clock::now();
    std::unique_lock lock(mutex_);
    if (!has_thread_) {
        lock.unlock();
        return write_line(now, e);
    }
    const std::size_t bytes = sizeof(line) + e.text.size() + e.members.size();
    const auto of = static_cast<std::size_t>(k);
    if (e.text.empty() || pending_[of].bytes + bytes > bounds[of]) {
        ++pending_[of].lost;
    } else {
        waiting_.push_back({now, std::move(e)});
        pending_[of].bytes += bytes;
    }
    wanted_.notify_one();
}

bool writer::flush() {
    std::unique_lock lock(mutex_);
    return idle_.wait_for(lock, std::chrono::seconds(1),
                          [&] { return !has_thread_ || (waiting_.empty() && !writing_ && !has_lost()); });
}

void writer::run() {
    leave_the_reactors_cpu();
    ::pthread_setname_np(::pthread_self(), "log");
    std::unique_lock lock(mutex_);
    for (;;) {
        wanted_.wait(lock, [&] { return !waiting_.empty() || has_lost(); });
        const auto batch = std::exchange(waiting_, {});
        const auto counted = std::exchange(pending_, {});
        writing_ = true;
        lock.unlock();
        for (const line& each : batch)
            write_line(each.at, each.what);
        constexpr std::array<level, kinds> levels{level::warning, level::debug};
        constexpr std::array<std::string_view, kinds> names{"messages", "trace lines"};
        for (std::size_t k = 0; k < kinds; ++k)
            if (const auto lost = counted[k].lost)
                write_line(
                    log_clock::now(),
                    {levels[k], fmt::format("log: {} {} were lost, because the log was not read", lost, names[k])});
        lock.lock();
        writing_ = false;
        if (waiting_.empty() && !has_lost())
            idle_.notify_all();
    }
}

}  // namespace causeway::core::log
