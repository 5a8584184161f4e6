// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "core/counter.h"
#include "core/event.h"
#include "core/reactor_group.h"

#include <array>
#include <cstdint>
#include <map>

namespace causeway::bdev {

/// What one core has done on one device. Written by that core, read by any thread.
struct core_statistics {
    /// Of those that succeeded.
    struct per_op {
        core::counter count;
        core::counter blocks;
        core::counter ticks;  ///< from start to completion, summed up
        core::counter slowest;
        core::counter fastest;  ///< 0: none yet
    };
    std::array<per_op, op_count> ops;
    core::counter started;    ///< all operations
    core::counter completed;  ///< with whatever status; started - completed are in flight
    core::counter failed;
    core::counter miscompared;  ///< the part of `failed` that a host has asked for

    core::event* idle = nullptr;  ///< that core's: set when nothing is in flight, for device::drained()
};

using device_statistics = core::per_core<core_statistics>;

}  // namespace causeway::bdev
