#pragma once

// For neighbours_test: a gateway of one core, and those who use it side by side.

#include "core/poller.h"
#include "nvme/nqn.h"
#include "nvmf/controller.h"
#include "transport/loop/loop_test.h"

#include <deque>
#include <functional>

namespace causeway::loop::test {

using namespace std::chrono_literals;

/// Namespaces of the one subsystem.
inline constexpr std::uint32_t bad_nsid = 1, other_bad_nsid = 2, good_nsid = 3;

/// Everything on one core: the hosts, the target, and the disks. The core takes all its mail in each turn: mail is the
/// wire here, and a wire is no line that hosts share.
class neighbourhood {
  public:
    explicit neighbourhood(std::uint64_t seed);
    /// REQUIRES: all hosts have left, nothing hangs. Everything has been given back.
    ~neighbourhood();

    void wait(core::task<> t);
    void now(const std::function<void()>& f);
    /// The measure of time here: a core that polls takes turns whether there is work or not. (Seconds are mostly those
    /// for which the simulation takes the core away, after one turn in a hundred: one that sleeps would seem faster.)
    void turns(unsigned n) {
        for (unsigned i = 0; i < n; ++i)
            run.step();
    }
    static host_options host(const std::string& name, std::uint16_t io_queues);
    nvmf::subsystem& subsystem() const { return *gate.target->find_subsystem(subnqn); }

    core::simulation run;
    gateway gate;                               ///< gate.disk() is bad_nsid
    std::shared_ptr<bdev::fault_device> other;  ///< other_bad_nsid
    std::shared_ptr<bdev::fault_device> good;   ///< good_nsid; takes 20 us for everything

  private:
    /// Finds nothing, and never lets the core sleep.
    struct restless final : core::poller {
        unsigned poll(unsigned) noexcept override { return 0; }
        bool arm() noexcept override { return false; }
    };
    core::task<> build();
    core::task<> tear_down();
    std::shared_ptr<bdev::fault_device> make_disk(const std::string& name);
    core::task<> add_namespace(std::string disk);

    restless restless_;
    core::poller_registration polling_;
};

/// Somebody who does the same thing again and again. On the control reactor.
class party {
  public:
    explicit party(neighbourhood& at) : at_(at) {}
    virtual ~party() = default;

    virtual core::task<> arrive() = 0;  ///< is there, and idle
    virtual void begin() = 0;
    virtual core::task<> leave() = 0;  ///< ends when nothing of it is left, whether it has begun or not

    virtual std::uint64_t done() const noexcept { return done_; }  ///< how often
    std::uint64_t failed() const noexcept { return failed_; }

  protected:
    void count(bool ok) noexcept { ++(ok ? done_ : failed_); }
    neighbourhood& at_;

  private:
    std::uint64_t done_ = 0, failed_ = 0;
};

/// What a host sends at once, and again when it has been answered: a command, or the two of a fused pair.
struct piece_of_work {
    nvme::command command;
    std::uint32_t bytes = 0;
    bool fused_with_a_write = false;
};

/// A host that keeps commands outstanding.
class busy_host : public party {
  public:
    /// On each I/O queue, or on the admin queue where there are none, `depth` pieces of the work in turn.
    busy_host(neighbourhood& at, host_options o, unsigned depth, std::vector<piece_of_work> work)
        : party(at), options_(std::move(o)), depth_(depth), work_(std::move(work)) {}
    core::task<> arrive() override;
    void begin() override;
    core::task<> leave() override;

  private:
    /// One piece of the work: sent, answered, and sent again.
    struct round {
        round(busy_host& h, host_queue& q, const piece_of_work& w);
        void submit();
        void answered(bool ok);
        busy_host& host;
        host_queue& queue;
        command_in_memory first, second;
        const bool pair;
        unsigned missing = 0;
        bool all_ok = true;
    };
    const host_options options_;
    const unsigned depth_;
    const std::vector<piece_of_work> work_;
    host_controller controller_{*at_.gate.transport};
    std::deque<round> rounds_;
    std::size_t outstanding_ = 0;
    bool stopping_ = false;
};

/// One that does one thing after the other, each a task.
class busy_task : public party {
  public:
    using party::party;
    core::task<> arrive() override { co_return; }
    void begin() final;
    core::task<> leave() override;

  protected:
    virtual core::task<bool> once() = 0;  ///< whether it went well

  private:
    core::task<> work();
    bool working_ = false, stopping_ = false;
};

}  // namespace causeway::loop::test
