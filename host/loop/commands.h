// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/make_command.h"

namespace causeway::loop {

using nvme::connect_parameters;
using nvme::make_abort;
using nvme::make_async_event_request;
using nvme::make_block_command;
using nvme::make_command;
using nvme::make_connect_command;
using nvme::make_connect_data;
using nvme::make_deallocate;
using nvme::make_flush;
using nvme::make_get_features;
using nvme::make_get_log_page;
using nvme::make_identify;
using nvme::make_keep_alive;
using nvme::make_property_get;
using nvme::make_property_set;
using nvme::make_set_features;

/// The completion that the host's end makes up for a command whose connection was lost.
inline nvme::completion lost_completion() noexcept {
    nvme::completion c{};
    c.set_status(nvme::sc::host_pathing_error);
    return c;
}

}  // namespace causeway::loop
