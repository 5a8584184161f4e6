// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/conflicts.h"

namespace causeway::nvmf::reservation {

/// What every core enforces of a namespace's reservation: immutable, and shared by the cores.
///
/// While a change is being stored, it is not known which of two states is in force. Both are enforced then: what either
/// of them refuses is refused. Likewise until every gateway that serves the disk has confirmed the change.
struct enforcement {
    state now;
    state next;               ///< as `now` while nothing changes
    bool is_unknown = false;  ///< another state may be in force: whatever a reservation could refuse is refused

    bool refuses(const host_id& host, access a) const noexcept {
        return conflicts(now, host, a) || conflicts(next, host, a);
    }
};

}  // namespace causeway::nvmf::reservation
