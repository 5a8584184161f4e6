// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/uuid.h"
#include "core/result.h"
#include "nvmf/reservation/state.h"

#include <string>
#include <string_view>

/// What a `ptpl_file` contains: the JSON object that SPDK's target writes, so that either reads the other's. Pure.
namespace causeway::nvmf::reservation {

/// `device` is the device that the reservation is on. A state that does not persist leaves no registrants behind.
std::string to_file_text(const state& s, const bdev::uuid& device);

/// Generation 0: it does not outlive a loss of power. EINVAL: what is wrong with the text, which may be anything; or it
/// is about another device.
core::result<state> from_file_text(std::string_view text, const bdev::uuid& device);

}  // namespace causeway::nvmf::reservation
