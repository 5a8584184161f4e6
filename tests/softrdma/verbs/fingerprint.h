// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace softrdma {

/// Whether buffers are looked at: SOFTRDMA_CHECK=off saves the time.
bool checks_on() noexcept;

/// Of these bytes in this order, however they are cut; never 0. Tells whether somebody has touched them.
std::uint64_t fingerprint(std::span<const iovec> pieces) noexcept;

}  // namespace softrdma
