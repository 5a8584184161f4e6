#pragma once

#include "bdev/health.h"

namespace causeway::nvmf {

class subsystem;

/// The media under a subsystem's namespaces as if they were one: what hosts see in the SMART page, but for what counts their own I/O.
/// Control reactor.
///
/// Warnings are those of all; temperature, wear and age the highest, with the sensors of the hottest; spare the lowest, with the threshold of
/// the same medium; errors and losses of power are summed up. A medium under several namespaces counts once. A device that says nothing is
/// healthy.
bdev::health media_health(const subsystem& s);

}  // namespace causeway::nvmf
