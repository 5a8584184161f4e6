// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/outcome.h"
#include "nvmf/complete.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"
#include "nvmf/target_side.h"

namespace causeway::nvmf {

/// What execute() calls for a command that `Run` runs on the control reactor. On the queue pair's core.
///
/// The request is its own message: nothing is allocated, and it cannot fail. Hosts may send any amount of these, and
/// wait for their own.
template <outcome (*Run)(controller&, request&)>
void run_at_control(request& r) noexcept {
    qpair_target_side& q = side_of(*r.qpair);
    q.controller->traffic();
    r.handle = [](core::message& m) noexcept {
        request& r = static_cast<request&>(m);
        if (const outcome o = Run(*side_of(*r.qpair).controller, r))
            finish_on_home_core(r, *o);
    };
    r.queue = &q.control_queue;
    q.controller->subsystem().target().group.control().post_background(r);
}

}  // namespace causeway::nvmf
