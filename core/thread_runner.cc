// SPDX-License-Identifier: Apache-2.0
#include "core/thread_runner.h"

#include <cassert>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <system_error>

namespace causeway::core {

namespace {

void pin(std::thread& t, unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (const int wrong = ::pthread_setaffinity_np(t.native_handle(), sizeof set, &set); wrong != 0)
        throw std::system_error(wrong, std::generic_category(), "CPU " + std::to_string(cpu));
}

}  // namespace

thread_runner::thread_runner(reactor_group& group, affinity where) : group_(group) {
    for (const auto& r : group)
        threads_.emplace_back([&r] { r->run(); });
    if (where == affinity::anywhere)
        return;
    try {
        for (std::size_t i = 0; i < group.size(); ++i)
            pin(threads_[i], group[i].cpu());
    } catch (...) {
        stop();
        throw;
    }
}

void thread_runner::stop() {
    assert(!reactor::current());
    for (const auto& r : group_)
        r->stop();
    for (auto& t : threads_)
        t.join();
    threads_.clear();
}

}  // namespace causeway::core
