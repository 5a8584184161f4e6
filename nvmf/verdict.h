// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"
#include "nvme/status.h"

#include <cstdint>

namespace causeway::nvmf {

/// The outcome of a command: its status, and for the error log the byte and bit of the command at fault.
struct verdict {
    nvme::status status{};
    std::uint16_t location = nvme::parameter_error_location_none;

    constexpr verdict() noexcept = default;
    constexpr verdict(nvme::status s) noexcept : status(s) {}
    constexpr verdict(nvme::status s, unsigned byte, unsigned bit = 0) noexcept
        : status(s), location(nvme::parameter_error_location(byte, bit)) {}

    constexpr bool ok() const noexcept { return status.ok(); }
};

/// Invalid Field in Command. Final: the same command can only fail again.
constexpr verdict wrong_field(unsigned byte, unsigned bit = 0) noexcept {
    return {nvme::sc::invalid_field.with_dnr(), byte, bit};
}

}  // namespace causeway::nvmf
