// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <vector>

namespace causeway::core::trace {

namespace {

using log_clock = std::chrono::system_clock;

struct entry {
    log_clock::time_point at;
    std::string text;
};

/// What waits for the log, and the thread that writes it. Never destroyed: a reactor may trace until the process ends.
class writer {
  public:
    static writer& get() {
        static writer* const only = new writer;
        return *only;
    }

    void add(std::string_view component, std::string text) {
        const auto now = log_clock::now();
        const std::size_t bytes = sizeof(entry) + text.size();
        // Empty for want of memory: then it is only counted.
        std::string whole = text.empty() ? std::string() : fmt::format("{}: {}", component, text);
        std::lock_guard lock(mutex_);
        if (whole.empty() || bytes_ + bytes > max_pending_bytes) {
            ++lost_;
            return;
        }
        waiting_.push_back({now, std::move(whole)});
        bytes_ += bytes;
        wanted_.notify_one();
    }

    bool flush() {
        std::unique_lock lock(mutex_);
        return idle_.wait_for(lock, std::chrono::seconds(1),
                              [&] { return waiting_.empty() && !writing_ && lost_ == 0; });
    }

  private:
    writer() {
        std::thread([this] { run(); }).detach();
        std::atexit([] { get().flush(); });  // a process that ends says what it has traced
    }

    [[noreturn]] void run() {
        leave_the_reactors_cpu();
        ::pthread_setname_np(::pthread_self(), "trace");
        std::unique_lock lock(mutex_);
        for (;;) {
            wanted_.wait(lock, [&] { return !waiting_.empty() || lost_; });
            const auto batch = std::exchange(waiting_, {});
            const auto lost = std::exchange(lost_, 0);
            bytes_ = 0;
            writing_ = true;
            lock.unlock();
            for (const entry& e : batch)
                log::write_trace(e.at, e.text);
            if (lost)
                log::write_trace(log_clock::now(),
                                 fmt::format("trace: {} lines were lost, because the log was not read", lost));
            lock.lock();
            writing_ = false;
            if (waiting_.empty() && !lost_)
                idle_.notify_all();
        }
    }

    /// A thread inherits the CPU of the one that made it, and reactors are pinned.
    static void leave_the_reactors_cpu() noexcept {
        cpu_set_t set;
        CPU_ZERO(&set);
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            CPU_SET(cpu, &set);
        ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);  // in vain: it runs where its maker ran
    }

    std::mutex mutex_;  ///< held for a few instructions; never while something is written
    std::condition_variable wanted_, idle_;
    std::vector<entry> waiting_;
    std::size_t bytes_ = 0;
    std::uint64_t lost_ = 0;
    bool writing_ = false;
};

}  // namespace

void write(std::string_view component, std::string text) noexcept {
    try {
        writer::get().add(component, std::move(text));
    } catch (...) {  // no memory, or no thread: tracing does not end a gateway
    }
}

bool flush() noexcept {
    return writer::get().flush();
}

std::string flag_names() {
    std::vector<std::string_view> names;
    for (const log::flag* f : log::flag::all())
        names.push_back(f->name());
    std::ranges::sort(names);
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace causeway::core::trace
