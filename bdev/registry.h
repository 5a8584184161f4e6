// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/condition_variable.h"
#include "core/counter_registry.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace causeway::bdev {

/// All devices of a gateway by name, alias and uuid. Lives on the control reactor.
class registry {
  public:
    explicit registry(core::reactor_group& group) : group_(group) {}

    /// EEXIST: a name, alias or UUID is in use.
    core::result<> add(std::shared_ptr<device> d);
    /// nullptr: not found.
    std::shared_ptr<device> find(std::string_view name_or_uuid) const;
    /// Likewise; waits for one that is still to come, but no longer than `limit`.
    core::task<std::shared_ptr<device>> find_within(core::nanoseconds limit, std::string name_or_uuid);
    /// In order of creation.
    const std::vector<std::shared_ptr<device>>& all() const noexcept { return devices_; }

    /// Keeps a name while its device is still being made (an image being opened); EEXIST. Given back by its
    /// destructor.
    class reservation {
      public:
        reservation(reservation&& other) noexcept;
        reservation& operator=(reservation&&) = delete;
        ~reservation();

      private:
        friend class registry;
        reservation(registry& r, std::string name) : registry_(&r), name_(std::move(name)) {}
        void release() noexcept;
        registry* registry_;
        std::string name_;
    };
    core::result<reservation> reserve(std::string name);
    /// Of a device that is ready now, under the name that was kept for it.
    core::result<> add(std::shared_ptr<device> d, reservation name);
    /// "Malloc0", "Malloc1", …: the first that is free.
    std::string free_name(std::string_view prefix) const;

    /// Removes the device from the list, notifies its observer, waits until it is not claimed and closes it. ENODEV.
    /// Its name stays reserved until then.
    core::task<core::result<>> remove(std::string name);

    core::reactor_group& group() const noexcept { return group_; }
    /// The gateway's list of counters: those of the devices, and of all that is built on them. It is here because
    /// this is the lowest of the control objects that a gateway has one of.
    core::counter_registry& counter_list() noexcept { return counter_list_; }

  private:
    bool taken(std::string_view name) const;

    core::reactor_group& group_;
    core::counter_registry counter_list_;
    std::vector<std::shared_ptr<device>> devices_;
    std::unordered_map<const device*, core::counter_registration> counted_;  ///< of all of them
    std::vector<std::string> reserved_;
    core::condition_variable added_;
};

}  // namespace causeway::bdev
