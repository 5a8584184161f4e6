// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"

#include <future>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace causeway::core {

/// Runs each reactor of a group on a plain thread, without DPDK: for what drives a gateway, in tests and in tools.
class thread_runner {
  public:
    enum class affinity { anywhere, reactor_cpus };

    /// `reactor_cpus`: each thread is pinned to its reactor's CPU; std::system_error where there is no such CPU for
    /// this process.
    explicit thread_runner(reactor_group& group, affinity where = affinity::anywhere);
    ~thread_runner() { stop(); }

    /// Stops all reactors and waits for them. Not on a reactor.
    void stop();

    /// Runs `f` on `r` and returns its value. Not on a reactor.
    template <class F>
    static auto call(reactor& r, F f) -> std::invoke_result_t<F> {
        // Shared: the value is there before the call on the reactor has returned.
        auto work = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(f));
        r.execute([work] { (*work)(); });
        return work->get_future().get();
    }

  private:
    reactor_group& group_;
    std::vector<std::thread> threads_;
};

}  // namespace causeway::core
