// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace.h"
#include "nvmf/transport.h"
#include "nvmf/verdict.h"

#include <string_view>

namespace causeway::nvmf {

/// `-L nvmf`: commands that are refused or fail, and each Connect.
extern core::log::flag trace_commands;
/// `-L requests`: each state of each request. For one host and a few commands: it is a line for each, on all queues.
extern core::log::flag trace_requests;

/// What stands behind the functions below when their flag is on.
void print_refused(const request& r, verdict v) noexcept;
void print_state(const request& r, std::string_view state) noexcept;
void print_completion(const request& r) noexcept;

/// Any reactor, while the request's qpair is not in the hands of another.
inline void trace_refused(const request& r, verdict v) noexcept {
    if (trace_commands.on()) [[unlikely]]
        print_refused(r, v);
}

/// On the request's home reactor, when it gets there: "begins", "executes", "completes".
inline void trace_state(const request& r, std::string_view state) noexcept {
    if (trace_requests.on()) [[unlikely]]
        print_state(r, state);
}
inline void trace_completion(const request& r) noexcept {
    if (trace_requests.on()) [[unlikely]]
        print_completion(r);
}

}  // namespace causeway::nvmf
