// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"

namespace causeway::bdev {

/// What a storage medium says of its state, in the form in which NVMe defines it: `critical_warning`, temperature,
/// spare, wear, errors. Counters of I/O in it are the medium's own, of all its users.
using health = nvme::smart_log;

}  // namespace causeway::bdev
