// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/io_commands.h"

namespace causeway::nvmf {

/// Runs the device I/Os of a command that takes several, one after the other. A device that completes at once
/// costs no stack: the loop goes on, not the completion.
///
/// `Next(r)` fills in the request's device I/O and returns the device to start it on; nullptr: that was all. `End(r,
/// status)` ends the command, at the first failure with its status.
template <bdev::device* (*Next)(request&) noexcept, void (*End)(request&, nvme::status) noexcept>
void run_io_sequence(request& r) noexcept {
    constexpr auto done = [](bdev::io& i) noexcept {
        request& r = *static_cast<request*>(i.context);
        if (request_target_side& mine = side_of(r); mine.starting_io)
            mine.completed_inline = true;
        else if (i.status.ok())
            run_io_sequence<Next, End>(r);
        else
            End(r, i.status);
    };
    request_target_side& mine = side_of(r);
    while (bdev::device* d = Next(r)) {
        mine.io.done = done;
        mine.io.context = &r;
        mine.starting_io = true;
        mine.completed_inline = false;
        d->start(mine.io);
        mine.starting_io = false;
        if (!mine.completed_inline)
            return;  // it goes on when the device is done
        if (!mine.io.status.ok())
            return End(r, mine.io.status);
    }
    End(r, nvme::sc::success);
}

}  // namespace causeway::nvmf
