// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/auth_exchange.h"
#include "nvmf/model/auth_workers.h"

#include <utility>

namespace causeway::nvmf {

/// What the authentications of a target share. Control reactor.
struct auth_state {
    explicit auth_state(auth_algorithms algorithms) : allowed(std::move(algorithms)) {}

    const auth_algorithms allowed;
    auth_workers workers;
};

}  // namespace causeway::nvmf
