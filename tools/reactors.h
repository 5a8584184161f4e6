// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/blocking_pool.h"
#include "core/task.h"
#include "core/thread_runner.h"

#include <future>
#include <vector>

namespace causeway::tools {

/// The reactors of a command, on threads pinned to their CPUs. Without DPDK, so no huge pages are needed.
class reactors {
  public:
    /// std::system_error: this process may not use one of the CPUs. No CPUs: one reactor on any CPU.
    explicit reactors(const std::vector<unsigned>& cpus, core::reactor_options o = {})
        : group_(cpus.empty() ? std::vector<unsigned>{0} : cpus, clock_, blocking_, o),
          runner_(group_, cpus.empty() ? core::thread_runner::affinity::anywhere
                                       : core::thread_runner::affinity::reactor_cpus) {}

    core::reactor_group& group() noexcept { return group_; }
    core::reactor& control() noexcept { return group_.control(); }

    /// Runs the task that `make()` returns on the control reactor, and waits for it. Not on a reactor.
    template <class F>
    auto run(F make) {
        using task = std::invoke_result_t<F>;
        using value = decltype(std::declval<task>().operator co_await().await_resume());
        std::promise<value> done;
        control().execute([&] {
            if constexpr (std::is_void_v<value>)
                core::detach(make(), [&] { done.set_value(); });
            else
                core::detach(make(), [&](value v) { done.set_value(std::move(v)); });
        });
        return done.get_future().get();
    }

  private:
    core::tsc_clock clock_;
    core::blocking_pool blocking_;
    core::reactor_group group_;
    core::thread_runner runner_;
};

}  // namespace causeway::tools
