// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "rpc/method.h"

#include <optional>
#include <vector>

namespace causeway::rpc {

/// What the methods of one kind of device (null, memory, rbd) know of their devices that the device contract does not.
struct device_kind {
    /// The call that makes the device again; nullopt: it is not of this kind. See saved_config::call().
    std::function<std::optional<json>(const bdev::device&)> config;
    /// The member `driver_specific` of bdev_get_bdevs; nullopt: it is not of this kind. May be empty: then it is {}.
    std::function<std::optional<json>(const bdev::device&)> driver_specific;
};

/// All kinds of devices. Filled before the server starts.
class device_kinds {
  public:
    void add(device_kind k) { kinds_.push_back(std::move(k)); }

    /// nullopt: no method makes such a device.
    std::optional<json> config(const bdev::device& d) const {
        for (const auto& k : kinds_)
            if (auto call = k.config ? k.config(d) : std::nullopt)
                return call;
        return std::nullopt;
    }
    json driver_specific(const bdev::device& d) const {
        for (const auto& k : kinds_)
            if (auto members = k.driver_specific ? k.driver_specific(d) : std::nullopt)
                return *members;
        return json::object();
    }

  private:
    std::vector<device_kind> kinds_;
};

}  // namespace causeway::rpc
