// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "nvmf/model/auth_exchange.h"

#include <array>
#include <utility>

namespace causeway::nvmf {

/// What the authentications of a target share. Control reactor.
struct auth_state {
    explicit auth_state(auth_algorithms algorithms) : allowed(std::move(algorithms)) {}

    const auth_algorithms allowed;

    /// To be locked while arithmetic runs. There are so few, because hosts may bring any amount of it, and each piece
    /// takes a CPU for tens of milliseconds. They are used in turn, so nobody waits for ever.
    core::async_mutex& next_worker() noexcept { return workers_[next_++ % workers_.size()]; }

  private:
    std::array<core::async_mutex, 4> workers_;
    unsigned next_ = 0;
};

}  // namespace causeway::nvmf
