// SPDX-License-Identifier: Apache-2.0
#include "core/blocking_pool.h"

#include <chrono>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <utility>

namespace causeway::core {

namespace {

constexpr auto idle_time = std::chrono::seconds(10);

/// A thread inherits the CPUs of the one that made it, and reactors are pinned: so they are always set, and
/// with none named to all that the kernel grants.
void run_on(const std::vector<unsigned>& cpus) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned cpu : cpus)
        CPU_SET(cpu, &set);
    for (unsigned cpu = 0; cpus.empty() && cpu < CPU_SETSIZE; ++cpu)
        CPU_SET(cpu, &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);  // in vain: it runs where its maker ran
}

}  // namespace

blocking_pool::blocking_pool(std::vector<unsigned> cpus, unsigned max_threads)
    : cpus_(std::move(cpus)), max_threads_(max_threads) {
    // The first thread stays for good, so that work is always served, even when no more threads are to be
    // had.
    std::lock_guard lock(mutex_);
    add_thread();
}

void blocking_pool::stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wanted_.notify_all();
    gone_.wait(lock, [&] { return threads_ == 0; });
    // What was dropped goes without the lock: it may hold what submits again.
    auto dropped = std::exchange(queue_, {});
    lock.unlock();
}

void blocking_pool::add_thread() {
    std::thread([this] { serve(); }).detach();
    ++threads_;
}

void blocking_pool::submit(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (stopping_)
        return;
    queue_.push_back(std::move(work));
    wanted_.notify_one();
    if (queue_.size() <= idle_ || threads_ == max_threads_)
        return;
    try {
        add_thread();
    } catch (const std::system_error&) {  // no more threads: it waits for one of those that there are
    }
}

void blocking_pool::serve() {
    run_on(cpus_);
    ::pthread_setname_np(::pthread_self(), "blocking");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (!queue_.empty()) {
            auto work = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            work();
            work = nullptr;  // what it holds goes without the lock, too
            lock.lock();
            continue;
        }
        ++idle_;
        const bool woken = wanted_.wait_for(lock, idle_time, [&] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (!woken && threads_ > 1)
            break;
    }
    --threads_;
    gone_.notify_all();  // under the lock: once it is free, the pool may be gone
}

}  // namespace causeway::core
