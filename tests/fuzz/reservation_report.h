// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvmf/reservation/state.h"

#include <cstddef>
#include <span>

namespace causeway::fuzz {

inline constexpr std::uint32_t report_size = 4096;  ///< room for 63 registrants

/// Reservation Report with host identifiers of 128 bits, of `report_size` bytes.
nvme::command make_reservation_report(std::uint32_t nsid) noexcept;

/// The state that a report tells of.
struct reservation_report {
    nvmf::reservation::state state;
    unsigned holders = 0;
};

/// A report that does not decode, or tells of a state that cannot be, is a finding: of one holder at most has every
/// type of reservation but those of all registrants.
reservation_report decode_report(std::span<const std::byte> page);

}  // namespace causeway::fuzz
