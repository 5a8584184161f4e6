// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "nvmf/reservation/state.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace causeway::nvmf::reservation {

/// Where the reservation of one namespace is kept. Control reactor; one operation at a time.
class store {
  public:
    struct version {
        reservation::state state;
        std::uint64_t number = 0;  ///< each change of what is stored makes another one
    };

    virtual ~store() = default;

    /// Whether a reservation can survive a loss of power: RESCAP.PTPLS.
    virtual bool can_persist() const noexcept = 0;
    /// What is stored; no registrants if nothing is. Errors say what to do about them.
    virtual core::task<core::result<version>> load() = 0;
    /// Stores `next` if version `expected` is still there, and ends when it is stored for good: the number of the new
    /// version. ESTALE: another one is there, and nothing has changed. After another error, either may be there.
    virtual core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) = 0;
};

/// Makes the store for a device that becomes a namespace. `file` is the operator's `ptpl_file`, or empty. nullptr: the
/// namespace has no reservations.
using store_factory = std::function<std::unique_ptr<store>(core::reactor_group& group, const bdev::device& device,
                                                           const std::string& file)>;

/// For devices that no other gateway has: a file where there is one, else memory.
std::unique_ptr<store> make_local_store(core::reactor_group& group, const bdev::device& device,
                                        const std::string& file);

}  // namespace causeway::nvmf::reservation
