// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvmf/reservation/state.h"

#include <cstdint>
#include <optional>

namespace causeway::nvmf::reservation {

/// What a host is to a reservation.
enum class role : std::uint8_t { holder, registrant, other };

/// The groups of commands that a reservation tells apart.
enum class access : std::uint8_t { read, write };

/// NVM Express Base Specification 2.0, "Command Behavior in the Presence of a Reservation", and NVM Command Set
/// Specification 1.0, "Reservations". nullopt: commands about reservations, whose outcome is apply()'s. What is not
/// known counts as a write.
constexpr std::optional<access> access_of(nvme::io_opcode opcode) noexcept {
    using op = nvme::io_opcode;
    switch (opcode) {
    case op::read:
    case op::compare:
    case op::verify: return access::read;
    case op::reservation_register:
    case op::reservation_report:
    case op::reservation_acquire:
    case op::reservation_release: return std::nullopt;
    // Copy reads, too: its sources are on the namespace that it writes, and whatever may write may read.
    default: return access::write;
    }
}

/// Whether a reservation of type `t` refuses the host this kind of access: Reservation Conflict.
constexpr bool conflicts(reservation_type t, role r, access a) noexcept {
    switch (t) {
    case reservation_type::none: return false;
    case reservation_type::write_exclusive: return r != role::holder && a == access::write;
    case reservation_type::exclusive_access: return r != role::holder;
    case reservation_type::write_exclusive_registrants_only:
    case reservation_type::write_exclusive_all_registrants: return r == role::other && a == access::write;
    case reservation_type::exclusive_access_registrants_only:
    case reservation_type::exclusive_access_all_registrants: return r == role::other;
    }
    return true;
}

inline role role_of(const state& s, const host_id& host) noexcept {
    if (s.is_holder(host))
        return role::holder;
    return s.find(host) ? role::registrant : role::other;
}

inline bool conflicts(const state& s, const host_id& host, access a) noexcept {
    return conflicts(s.type, role_of(s, host), a);
}

}  // namespace causeway::nvmf::reservation
