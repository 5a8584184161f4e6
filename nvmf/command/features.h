// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"
#include "nvmf/command/outcome.h"

namespace causeway::nvmf {

// reservation_features.cc: Reservation Notification Mask and Reservation Persistence, each of a namespace.
outcome set_reservation_feature(controller& c, request& r);
outcome get_reservation_feature(controller& c, request& r);

/// Feature Identifiers Supported and Effects, of an I/O or of a discovery controller.
nvme::feature_effects_log feature_effects(bool discovery) noexcept;

}  // namespace causeway::nvmf
