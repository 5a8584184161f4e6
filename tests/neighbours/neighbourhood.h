// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/fault_device.h"
#include "bdev/registry.h"
#include "core/poller.h"
#include "core/simulation.h"
#include "host/controller.h"
#include "nvmf/model/subsystem.h"
#include "tests/neighbours/management.h"
#include "tests/neighbours/seam.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

namespace causeway::neighbours {

using namespace std::chrono_literals;

/// Namespaces of the one subsystem.
inline constexpr std::uint32_t bad_nsid = 1, other_bad_nsid = 2, good_nsid = 3;
inline constexpr std::uint32_t block_size = 512;
inline const std::string subnqn = "nqn.2024-01.io.causeway:disks";

using seam_maker = std::unique_ptr<seam> (*)(core::simulation&);

/// A gateway of one core, with hosts, disks and operators side by side on the same core. The core
/// takes all its messages in each turn: over loop, messages are the wire, which is not a queue that hosts share.
class neighbourhood {
  public:
    neighbourhood(seam_maker make_seam, std::uint64_t seed);
    /// REQUIRES: all have left, nothing hangs. Everything has been released.
    ~neighbourhood();

    void wait(core::task<> t);
    template <class T>
    T wait(core::task<T> t) {
        std::optional<T> value;
        core().execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(run.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    void now(const std::function<void()>& f);

    /// The measure of time here: a core that polls takes turns whether there is work or not.
    std::uint64_t turn() noexcept { return core().stats().turns.get(); }
    void turns(unsigned n) {
        for (const std::uint64_t end = turn() + n; turn() < end;)
            run.step();
    }

    core::reactor& core() noexcept { return run[0]; }
    nvmf::target& target() noexcept { return *managed.nvmf.target; }
    nvmf::transport& transport() noexcept { return *target().transports().front(); }
    nvmf::subsystem& subsystem() noexcept { return *target().find_subsystem(subnqn); }
    template <class Seam>
    Seam& as() {
        return dynamic_cast<Seam&>(*by);
    }
    /// A host of the subsystem.
    host::controller_options host(const std::string& name, std::size_t io_queues);

    core::simulation run;
    std::unique_ptr<seam> by;
    bdev::registry devices{run.group()};
    management managed{run, devices};
    std::shared_ptr<bdev::fault_device> bad, other_bad;
    std::shared_ptr<bdev::fault_device> good;  ///< takes 20 us for everything

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
    bool everything_is_given_back();

    restless restless_;
    core::poller_registration polling_;
};

}  // namespace causeway::neighbours
