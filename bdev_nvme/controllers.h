// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "bdev_nvme/bus.h"
#include "bdev_nvme/controller.h"
#include "bdev_nvme/nvme_device.h"
#include "core/condition_variable.h"
#include "core/counter_registry.h"
#include "core/timer.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace causeway::bdev_nvme {

/// The parameters of bdev_nvme_attach_controller.
struct attach_params {
    std::string name;
    std::string address;
    unsigned max_devices = 128;
    unsigned io_queues = 1024;  ///< at most
};

/// Attaches controllers, and keeps their namespaces as devices `<name>n<nsid>` while they are there. Lives on the
/// control reactor.
class controllers final : controller::observer {
  public:
    /// The default hot-plug period, and the longest.
    static constexpr auto default_hotplug_period = std::chrono::milliseconds(100);
    static constexpr auto longest_hotplug_period = std::chrono::seconds(10);

    controllers(bdev::registry& devices, bus& from) : devices_(devices), bus_(from) {}
    ~controllers() override;

    /// The names of the devices. EEXIST (name), EBUSY (the controller is attached here already), the errors of
    /// bus::open() and controller::start().
    core::task<core::result<std::vector<std::string>>> attach(attach_params p);
    /// ENODEV. Hosts lose the namespaces first; then the controller is shut down.
    core::task<core::result<>> detach(std::string name);
    /// ENODEV, and the errors of controller::reset().
    core::task<core::result<>> reset(std::string name);
    /// ENODEV, EIO. The page is then in controller::health().
    core::task<core::result<>> read_health(std::string name);
    /// Detaches all: the gateway ends. `limit`: armed anew, with `each`, before each of them.
    core::task<> close(core::timer* limit = nullptr, core::nanoseconds each = {});

    /// For those that are attached, and for those that will be.
    void set_options(const controller_options& o);
    const controller_options& options() const noexcept { return options_; }
    bool options_set() const noexcept { return options_set_; }

    /// Whether controllers that appear are attached by themselves: under their former name if they have been here
    /// before, as "HotInNvme0", "HotInNvme1", … otherwise. EINVAL (too long a period; 0 is the default one).
    core::result<> set_hotplug(bool on, core::nanoseconds period);
    bool hotplug() const noexcept { return hotplug_timer_.has_value(); }
    core::nanoseconds hotplug_period() const noexcept { return hotplug_period_; }

    struct view {
        std::string name;
        const bdev_nvme::controller* controller;
        attach_params params;
        bool by_hotplug;  ///< by hot plug, not on request
        std::vector<std::string> devices;
    };
    std::vector<view> all() const;

  private:
    struct entry {
        std::string name;
        attach_params params;
        bool by_hotplug = false;
        bool leaving = false;
        std::shared_ptr<controller> of;
        std::vector<std::shared_ptr<nvme_device>> devices;
        core::counter_registration counted{};  ///< of its queue pairs
    };

    void namespaces_changed(controller& c) override;
    void health_changed(controller& c) override;
    void removed(controller& c) override;

    core::task<core::result<std::vector<std::string>>> attach_as(attach_params p, bool by_hotplug);
    std::shared_ptr<entry> find(const std::string& name) const;
    std::shared_ptr<entry> find(const controller& c) const;
    void add_devices(entry& e);
    void register_counters(entry& e);
    core::task<> update_devices(std::shared_ptr<entry> e);
    core::task<> leave(std::shared_ptr<entry> e);
    core::task<> scan_for_controllers();

    bdev::registry& devices_;
    bus& bus_;
    controller_options options_;
    bool options_set_ = false;
    std::vector<std::shared_ptr<entry>> entries_;
    std::set<std::string> names_;      ///< in use, also by controllers that are being attached
    std::set<std::string> addresses_;  ///< likewise
    /// by address: the name of the controller that was attached there last
    std::map<std::string, std::string> previous_names_;
    /// addresses that hot plug is to leave alone until they disappear
    std::set<std::string> refused_;
    std::optional<core::timer> hotplug_timer_;
    core::nanoseconds hotplug_period_ = default_hotplug_period;
    bool looking_ = false;
    bool closing_ = false;
    core::condition_variable ended_;  ///< an attachment that failed, a detachment, a look for new ones
};

}  // namespace causeway::bdev_nvme
