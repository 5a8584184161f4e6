// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/blocking_pool.h"
#include "core/environment.h"
#include "core/lcore_runner.h"
#include "core/reactor_group.h"
#include "core/task.h"
#include "host/loop/host_controller.h"
#include "nvmf/target.h"
#include "transport/loop/loop_transport.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::bench {

/// A whole gateway in this process, on lcores as in production, with `loop` as its fabric. One subsystem, every host
/// allowed.
class gateway {
  public:
    /// `lcores` as DPDK takes them: "0@0,1@1". Ends the program with a message if something is missing.
    explicit gateway(const std::string& lcores, core::reactor_options options = {});
    ~gateway();

    core::reactor_group& group() noexcept { return *group_; }
    bdev::registry& devices() noexcept { return *devices_; }
    loop::loop_transport& transport() noexcept { return *transport_; }

    /// Runs `t` on the control reactor, with all reactors at work, and returns when it has ended.
    void run(core::task<> t);

    // On the control reactor.
    /// Adds the device and makes it namespace `nsid`.
    core::task<> add(std::shared_ptr<bdev::device> d, std::uint32_t nsid);
    core::task<> remove_namespace(std::uint32_t nsid);          ///< the namespace
    core::task<> remove(std::uint32_t nsid, std::string name);  ///< and the device
    core::task<> shut_down();

    loop::host_options host() const;

  private:
    core::environment environment_;
    core::tsc_clock clock_;
    core::blocking_pool blocking_;
    std::unique_ptr<core::reactor_group> group_;
    std::unique_ptr<core::lcore_runner> runner_;
    std::unique_ptr<core::placement> homes_;
    std::unique_ptr<bdev::registry> devices_;
    std::unique_ptr<nvmf::target> target_;
    loop::loop_transport* transport_ = nullptr;
    bool built_ = false;

    core::task<> build();
};

/// Ends the program: what `about` needs is not there.
[[noreturn]] void give_up(const std::string& about);
template <class T>
T&& need(core::result<T>&& r) {
    if (!r)
        give_up(r.error().text());
    return std::move(*r);
}
inline void need(core::result<>&& r) {
    if (!r)
        give_up(r.error().text());
}

/// Seconds of CPU that this process has used, all threads.
double cpu_seconds();
/// And one reactor: the busy share of the time between two looks.
struct busy_look {
    explicit busy_look(const core::reactor& r)
        : busy(r.stats().busy_ticks.get()), all(busy + r.stats().idle_ticks.get()) {}
    double share_since(const busy_look& before) const {
        return static_cast<double>(busy - before.busy) /
               static_cast<double>(std::max<std::uint64_t>(1, all - before.all));
    }
    std::uint64_t busy, all;
};

}  // namespace causeway::bench
