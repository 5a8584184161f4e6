// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/health.h"

namespace causeway::nvmf {

class namespaces;

/// The health of all media of a subsystem's namespaces, combined into one: what hosts see in the SMART page, except for
/// the counters of their own I/O. Control reactor.
///
/// Warnings are those of all; temperature, wear and age the highest, with the sensors of the hottest; spare the lowest,
/// with the threshold of the same medium; errors and losses of power are summed up. A medium under several namespaces
/// counts once. A device without health information counts as healthy.
bdev::health media_health(const namespaces& of);

}  // namespace causeway::nvmf
