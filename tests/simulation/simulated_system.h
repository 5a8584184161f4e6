// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/fault_device.h"
#include "bdev/memory_device.h"
#include "bdev/registry.h"
#include "core/simulation.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "tests/simulation/model.h"
#include "tests/simulation/plan.h"
#include "transport/loop/loop_transport.h"

#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace causeway::simulation {

/// A time during which a fault lasts: it excuses commands that fail within it.
class bad_time {
  public:
    void begin() noexcept { ++active_; }
    void end(moment now) noexcept {
        --active_;
        last_ = now;
    }
    bool now() const noexcept { return active_ > 0; }
    /// True: it was so at some moment since `begin`.
    bool since(moment begin) const noexcept { return active_ > 0 || last_ >= begin; }

  private:
    unsigned active_ = 0;
    moment last_ = 0;
};

/// A disk of the gateway: memory, a device before it that makes trouble, and what hosts know of its content.
struct disk {
    disk(std::uint16_t number, const plan::disk& p) : model(number, p.block_size, p.blocks) {}

    disk_model model;
    std::shared_ptr<bdev::memory_device> base;
    std::shared_ptr<bdev::fault_device> device;  ///< nullptr while it is removed
    std::string name;
    std::uint32_t nsid;
    std::size_t subsystem = 0;  ///< where it is a namespace, or was last
    bool busy = false;          ///< an operator is removing it or adding it again

    bad_time faulty, resized, absent;
};

struct subsystem_state {
    std::string nqn;
    nvmf::transport_address at;
    bool busy = false;
    bad_time unreachable;  ///< deleted, or closed to its hosts
};

/// One run: a gateway and all that it needs, in one thread and in virtual time. Also the judge: what it calls a failure
/// ends the run.
class simulated_system {
  public:
    simulated_system(std::uint64_t seed, bool tracing);
    ~simulated_system();

    const plan& plans() const noexcept { return plan_; }
    core::simulation& run() noexcept { return simulation_; }
    core::random_source& random() noexcept { return simulation_.random(); }
    core::reactor_group& group() noexcept { return simulation_.group(); }
    bdev::registry& devices() noexcept { return devices_; }
    nvmf::target& target() noexcept { return *target_; }
    loop::loop_transport& transport() noexcept { return *transport_; }
    std::vector<std::unique_ptr<disk>>& disks() noexcept { return disks_; }
    std::vector<subsystem_state>& subsystems() noexcept { return subsystems_; }
    static std::string host_nqn(std::size_t host);

    /// Builds the gateway; plays until `over`; puts everything right, reads every block, and takes the gateway down.
    /// False: something was wrong, see failure().
    bool play(const std::function<void()>& begin, const std::function<bool()>& over,
              const std::function<core::task<>()>& audit);
    const std::string& failure() const noexcept { return failure_; }
    bool failed() const noexcept { return !failure_.empty(); }

    // For hosts and operators.
    moment now() noexcept { return ++moment_; }
    value fresh_value() noexcept { return ++values_; }
    core::nanoseconds some_time(core::nanoseconds most);
    template <class... Args>
    void trace(fmt::format_string<Args...> f, Args&&... args) {
        if (tracing_)
            print(fmt::format(f, std::forward<Args>(args)...));
    }
    template <class... Args>
    void fail(fmt::format_string<Args...> f, Args&&... args) {
        fail_with(fmt::format(f, std::forward<Args>(args)...));
    }

    /// A write whose connection `number` was lost: it may take effect until the target has released that connection.
    void haunts(std::uint64_t connection, disk& d, value v, std::uint64_t block, std::uint64_t count, moment begin);

    // Control reactor: the operator's steps, undone and done.
    core::task<> make_subsystem(std::size_t s);
    core::task<> make_device(disk& d);
    core::task<bool> add_namespace(disk& d, std::size_t subsystem);

    std::uint64_t commands = 0, answers_ok = 0, answers_bad = 0, lost = 0, checked_blocks = 0;

  private:
    core::task<> build();
    core::task<> put_right();
    core::task<> take_down();
    bool run_task(const char* what, core::task<> t);
    void look_for_leaks();
    std::string what_is_left() const;
    void print(const std::string& text) const;
    void fail_with(std::string text);
    void laid_to_rest(std::uint64_t connection);

    const plan plan_;
    const bool tracing_;
    core::simulation simulation_;
    core::placement homes_;
    bdev::registry devices_;
    std::unique_ptr<nvmf::target> target_;
    loop::loop_transport* transport_ = nullptr;
    std::vector<std::unique_ptr<disk>> disks_;
    std::vector<subsystem_state> subsystems_;
    moment moment_ = 0;
    value values_ = 0;
    std::string failure_;

    struct ghost {
        disk* on;
        value v;
        std::uint64_t block, count;
        moment begin;
    };
    std::map<std::uint64_t, std::vector<ghost>> ghosts_;  ///< by connection
    std::set<std::uint64_t> gone_;                        ///< connections
};

}  // namespace causeway::simulation
