// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace causeway::core {

/// Plain threads for calls that can only block. A thread is added whenever none is free, up to `max_threads`, so that
/// one dead cluster does not hold up the others; idle threads go after a while, all but one.
class blocking_pool final : public blocking_executor {
  public:
    /// `cpus`: where its threads may run, the reactors' CPUs left out where there are others; empty:
    /// anywhere.
    explicit blocking_pool(std::vector<unsigned> cpus = {}, unsigned max_threads = 128);
    ~blocking_pool() override { stop(); }

    /// Waits for what runs; what has not begun is dropped, and so is all that comes later. To be called while
    /// the reactors that its work reports to still exist, running or not.
    void stop();

    void submit(std::function<void()> work) override;

  private:
    void add_thread();
    void serve();

    const std::vector<unsigned> cpus_;
    const unsigned max_threads_;
    std::mutex mutex_;
    std::condition_variable wanted_;
    std::condition_variable gone_;
    std::deque<std::function<void()>> queue_;
    unsigned threads_ = 0;
    unsigned idle_ = 0;
    bool stopping_ = false;
};

}  // namespace causeway::core
