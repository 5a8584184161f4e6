// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/io_commands.h"

namespace causeway::nvmf {

/// Runs the device I/Os of a command that takes several, one after the other. A device that completes at once
/// costs no stack: the loop goes on, not the completion.
///
/// `Next(r)` fills in r.io's request and returns the device to start it on; nullptr: that was all. `End(r,
/// status)` ends the command, at the first failure with its status.
template <bdev::device* (*Next)(request&) noexcept, void (*End)(request&, nvme::status) noexcept>
void run_io_sequence(request& r) noexcept {
    constexpr auto done = [](bdev::io& i) noexcept {
        request& r = *static_cast<request*>(i.context);
        if (r.starting_io)
            r.completed_inline = true;
        else if (i.status.ok())
            run_io_sequence<Next, End>(r);
        else
            End(r, i.status);
    };
    while (bdev::device* d = Next(r)) {
        r.io.done = done;
        r.io.context = &r;
        r.starting_io = true;
        r.completed_inline = false;
        d->start(r.io);
        r.starting_io = false;
        if (!r.completed_inline)
            return;  // it goes on when the device is done
        if (!r.io.status.ok())
            return End(r, r.io.status);
    }
    End(r, nvme::sc::success);
}

}  // namespace causeway::nvmf
