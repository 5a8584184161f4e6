// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "core/reactor_group.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace causeway::core {

/// Runs reactors in one thread, in virtual time, in an order drawn from a seed: whatever happens, happens
/// again with the same seed. No descriptor is polled, no thread is made, nothing sleeps.
///
/// Only reactors with work take turns (and now and then one without, as a poll too many must do no harm).
/// When all are idle, time jumps to the next timer. A turn costs drawn nanoseconds, and sometimes a core
/// stands still for a while, as one that the kernel has taken away: so the others get far ahead of it.
class simulation {
  public:
    explicit simulation(std::uint64_t seed, std::size_t reactors = 1, reactor_options options = {});
    simulation(const simulation&) = delete;
    simulation& operator=(const simulation&) = delete;

    std::uint64_t seed() const noexcept { return seed_; }
    reactor_group& group() noexcept { return group_; }
    reactor& operator[](std::size_t i) noexcept { return group_[i]; }
    const virtual_clock& time() const noexcept { return clock_; }
    /// For tests, devices and hosts that want dice of the same seed.
    random_source& random() noexcept { return random_; }

    /// How fast all goes, each drawn between two ends.
    struct pace {
        nanoseconds min_turn{50}, max_turn{5'000};
        std::uint64_t turns_before_a_stall = 100;  ///< on average; 0: no core stands still
        nanoseconds min_stall{1'000}, max_stall{2'000'000};
        nanoseconds min_blocking_work{1'000}, max_blocking_work{50'000'000};
    };
    void set_pace(const pace& p) noexcept { pace_ = p; }

    /// One turn of one reactor, or one piece of blocking work, after a jump in time if need be. False:
    /// nothing is left to do, now or ever.
    bool step();

    /// Steps until `done`. False: idle for ever, or `max_steps` taken, and it is still not so.
    bool run_until(const std::function<bool()>& done, std::uint64_t max_steps = 10'000'000);
    /// Steps until nothing is left to do. False: something still was. Periodic timers never end.
    bool run_until_idle(std::uint64_t max_steps = 10'000'000);
    /// Steps until the time has passed by `d`, or a little more.
    void run_for(nanoseconds d);

    std::uint64_t steps() const noexcept { return steps_; }
    /// Of all steps so far, who took them and when. Equal for equal runs.
    std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  private:
    /// Work takes as long as is drawn, and then runs whole, in a turn of its own.
    class executor final : public blocking_executor {
      public:
        explicit executor(simulation& s) noexcept : simulation_(s) {}
        void submit(std::function<void()> work) override;

      private:
        simulation& simulation_;
    };
    struct blocking_work {
        ticks due;
        std::function<void()> run;
    };

    ticks draw_ticks(nanoseconds least, nanoseconds most) noexcept;
    bool stalled(std::size_t i) const noexcept { return stalled_until_[i] > clock_.now(); }
    void find_ready();
    ticks next_event() const noexcept;
    bool wait_for_work(ticks limit);
    std::size_t draw();
    void take_turn(std::size_t who);
    void note(std::uint64_t what) noexcept;

    const std::uint64_t seed_;
    virtual_clock clock_;
    random_source random_;
    pace pace_{};
    executor executor_{*this};
    std::vector<blocking_work> blocking_;
    reactor_group group_;
    std::vector<ticks> stalled_until_;  ///< of each reactor
    std::vector<std::size_t> ready_;    ///< reactors by index, then blocking work behind them
    std::uint64_t steps_ = 0;
    std::uint64_t fingerprint_ = 0;
};

}  // namespace causeway::core
