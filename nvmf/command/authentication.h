// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/command/outcome.h"
#include "nvmf/request.h"

namespace causeway::nvmf {

class controller;
class qpair;

// Authentication Send and Authentication Receive. NVMe over Fabrics 1.1, "Authentication Send Command" and
// "Authentication Receive Command".

verdict check_auth_send(request& r) noexcept;
verdict check_auth_receive(request& r) noexcept;
outcome auth_send(controller& c, request& r);
outcome auth_receive(controller& c, request& r);

/// On the home reactor of a queue pair that has a controller: it runs commands from now on.
void enable_commands(qpair& on) noexcept;

}  // namespace causeway::nvmf
