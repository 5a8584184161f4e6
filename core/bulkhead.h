// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/task.h"

#include <functional>
#include <memory>

namespace causeway::core {

/// A bounded share of an executor: at most `max_running` pieces of work run at a time, and the rest waits here instead
/// of on the executor's threads. A cluster whose calls never return exhausts its own share only.
///
/// Any thread. What has been submitted runs even after the bulkhead has been destroyed. REQUIRES: the executor
/// outlives that.
class bulkhead final : public blocking_executor {
  public:
    bulkhead(blocking_executor& threads, unsigned max_running);

    void submit(std::function<void()> work) override;

    unsigned max_running() const noexcept;
    unsigned running() const;
    std::size_t waiting() const;

  private:
    struct state;
    static void serve(state& s);
    const std::shared_ptr<state> state_;
};

/// `co_await run_on(threads, f)`: runs `f` on one of these threads, and continues on the reactor that it left with what
/// `f` returned. run_blocking() is the same on the group's threads, which are for work that is bound to end.
template <class F>
task<std::invoke_result_t<F>> run_on(blocking_executor& threads, F f) {
    one_shot<std::invoke_result_t<F>> done;
    threads.submit([&] { done.set(f()); });
    co_return co_await done;
}

}  // namespace causeway::core
