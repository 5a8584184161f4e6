// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/outcome.h"
#include "nvmf/request.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace causeway::nvmf {

/// A fabrics command: where and when a host may send it, what begin() checks and what execute() runs. NVMe over
/// Fabrics 1.1, "Fabrics Commands".
struct fabrics_command {
    enum class queue : std::uint8_t { admin, io, any };
    enum class phase : std::uint8_t { before_connect, before_authentication, after_authentication };

    std::uint8_t type = 0;    ///< FCTYPE
    std::string_view name{};  ///< empty: not supported
    queue allowed_on = queue::any;
    phase allowed = phase::after_authentication;
    transfer direction = transfer::none;
    /// Sets r.length where data moves. nullptr: nothing to check.
    verdict (*check)(request& r) noexcept = nullptr;
    void (*run)(request& r) noexcept = nullptr;
};

/// By FCTYPE. What is absent here is refused.
extern const std::array<fabrics_command, 256> fabrics_commands;

/// What begin() does with fabrics commands, on any queue.
verdict check_fabrics(request& r) noexcept;

// connect.cc
void run_connect(request& r) noexcept;

// properties.cc
outcome property_get(controller& c, request& r);
outcome property_set(controller& c, request& r);

}  // namespace causeway::nvmf
