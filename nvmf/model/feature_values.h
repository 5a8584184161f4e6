// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/features.h"
#include "nvmf/model/temperature_thresholds.h"

#include <cstdint>

namespace causeway::nvmf {

/// The values of Set Features, which Get Features returns. A controller reset restores the defaults.
struct feature_values {
    std::uint32_t arbitration = 0;
    std::uint32_t power_management = 0;
    temperature_thresholds temperature{};
    std::uint32_t error_recovery = 0;
    std::uint32_t write_atomicity = 0;
    std::uint32_t async_event_configuration = 0;
    nvme::host_behavior_support host_behavior{};
};

}  // namespace causeway::nvmf
