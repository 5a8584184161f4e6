// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/reactor_group.h"
#include "rpc/method.h"

#include <string>

namespace causeway::rpc {

/// The number by which clients know a reactor's thread.
std::uint64_t thread_number(const core::reactor& r) noexcept;
/// Its name, "nvmf_tgt_poll_group_003": exporters of control planes count threads whose names contain "poll".
std::string thread_name(const core::reactor& r);

/// framework_get_reactors, framework_get_scheduler, thread_get_stats, thread_get_pollers, thread_get_io_channels: what
/// the cores do. Each reactor is shown as one thread of its own, which never moves. All arguments outlive the table's
/// last call.
void add_reactor_methods(method_table& methods, core::reactor_group& group, const bdev::registry& devices);

}  // namespace causeway::rpc
