// SPDX-License-Identifier: Apache-2.0
#include "nvmf/qpair.h"

namespace causeway::nvmf {

std::string_view to_string(disconnect_reason r) noexcept {
    switch (r) {
    case disconnect_reason::host_asked: return "the host asked for it";
    case disconnect_reason::controller_reset: return "controller reset";
    case disconnect_reason::controller_shutdown: return "controller shutdown";
    case disconnect_reason::keep_alive_timeout: return "keep alive timeout";
    case disconnect_reason::host_removed: return "the host is no longer allowed";
    case disconnect_reason::listener_removed: return "the listener is removed";
    case disconnect_reason::subsystem_deleted: return "the subsystem is deleted";
    case disconnect_reason::protocol_violation: return "protocol violation";
    case disconnect_reason::transport_error: return "transport error";
    case disconnect_reason::shutting_down: return "the gateway is shutting down";
    case disconnect_reason::authentication_failed: return "the host has not authenticated";
    case disconnect_reason::stalled: return "the gateway had stalled";
    }
    return "?";
}

}  // namespace causeway::nvmf
