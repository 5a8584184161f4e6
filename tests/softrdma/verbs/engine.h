// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <string>
#include <vector>

namespace softrdma {

class process;

using clock = std::chrono::steady_clock;

/// What hardware does by itself, on a thread of its own: timers of queue pairs that wait, errors that peers have left
/// behind, peers that ask for our segment, and the control socket.
class engine {
  public:
    engine(process& of, int wake_fd) : process_(of), wake_fd_(wake_fd) {}
    void start();

    /// The queue pair goes on with its work then, if it still exists.
    void resume_at(clock::time_point when, std::uint32_t queue_pair);
    /// Something in the segment wants attention.
    void wake() noexcept;
    /// On the engine's thread, later.
    void post(std::function<void()> work);

  private:
    void run();
    int open_door();
    void answer_door();
    void open_control();
    void answer_control();
    void take_attention();
    void take_timers();
    void set_timer();

    struct timer {
        clock::time_point when;
        std::uint32_t queue_pair;
        bool operator>(const timer& o) const noexcept { return when > o.when; }
    };

    process& process_;
    const int wake_fd_;
    int timer_fd_ = -1;
    int door_ = -1;
    int control_ = -1;
    std::mutex mutex_;
    std::priority_queue<timer, std::vector<timer>, std::greater<>> timers_;
    std::vector<std::function<void()>> posted_;
};

}  // namespace softrdma
