// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace softrdma {

/// Whether buffers are looked at: SOFTRDMA_CHECK=off saves the time.
bool checks_on() noexcept;

/// A hash of these bytes in this order, however they are split; never 0. Shows whether they have been changed.
std::uint64_t fingerprint(std::span<const iovec> pieces) noexcept;

}  // namespace softrdma
