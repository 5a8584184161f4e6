// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/controller.h"
#include "nvme/discovery.h"

#include <vector>

namespace causeway::host {

/// All entries of a discovery controller's log. It is read piece by piece, and again from the start where it changed
/// meanwhile;
/// EAGAIN: it does so each time.
core::task<core::result<std::vector<nvme::discovery_log_entry>>> read_discovery_log(controller& c);

/// A group of the ANA log page.
struct ana_group {
    std::uint32_t id;
    nvme::ana_state state;
    std::vector<std::uint32_t> nsids;
};
/// Reading it lets the controller report the next change.
core::task<core::result<std::vector<ana_group>>> read_ana_log(controller& c);

}  // namespace causeway::host
