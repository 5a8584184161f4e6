// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"
#include "nvme/reservation.h"
#include "nvmf/verdict.h"

#include <array>
#include <cstdint>
#include <vector>

/// Who may do what to one namespace while a host holds a reservation on it. NVM Express Base Specification 2.0,
/// "Reservations". Pure: no I/O, no time; any thread.
namespace causeway::nvmf::reservation {

using nvme::reservation_type;

/// HOSTID, as Connect has it. Registrants are hosts, whichever of their controllers a command came by.
using host_id = std::array<std::uint8_t, 16>;

struct registrant {
    host_id host{};
    std::uint64_t key = 0;  ///< never 0

    bool operator==(const registrant&) const = default;
};

/// The registrants of a namespace, and the reservation on it. A value: apply() makes another one of it.
struct state {
    /// What Reservation Report can number is 65535; each change copies them.
    static constexpr std::size_t max_registrants = 4096;

    std::uint32_t generation = 0;
    reservation_type type = reservation_type::none;
    host_id holder{};                     ///< zeroes where there is none, or all registrants are holders
    bool persists = false;                ///< PTPL: a loss of power, or an end of the gateway, leaves it as it is
    std::vector<registrant> registrants;  ///< by host, ascending

    bool operator==(const state&) const = default;

    bool is_held() const noexcept { return type != reservation_type::none; }
    const registrant* find(const host_id& host) const noexcept;  ///< nullptr: it is not a registrant
    bool is_holder(const host_id& host) const noexcept;
};

constexpr bool is_valid(reservation_type t) noexcept {
    return t >= reservation_type::write_exclusive && t <= reservation_type::exclusive_access_all_registrants;
}
constexpr bool is_all_registrants(reservation_type t) noexcept {
    return t == reservation_type::write_exclusive_all_registrants ||
           t == reservation_type::exclusive_access_all_registrants;
}
constexpr bool is_registrants_only(reservation_type t) noexcept {
    return t == reservation_type::write_exclusive_registrants_only ||
           t == reservation_type::exclusive_access_registrants_only;
}

// ---- Commands, with their data.

struct register_command {
    nvme::reservation_register_action action{};
    bool ignore_existing_key = false;
    nvme::reservation_ptpl_change ptpl_change{};
    std::uint64_t crkey = 0;
    std::uint64_t nrkey = 0;
};

struct acquire_command {
    nvme::reservation_acquire_action action{};
    bool ignore_existing_key = false;
    reservation_type type{};
    std::uint64_t crkey = 0;
    std::uint64_t prkey = 0;
};

struct release_command {
    nvme::reservation_release_action action{};
    bool ignore_existing_key = false;
    reservation_type type{};
    std::uint64_t crkey = 0;
};

// ---- What a command does.

/// For every controller of `host` that has not masked it.
struct notification {
    host_id host{};
    nvme::reservation_notice notice{};

    bool operator==(const notification&) const = default;
};

struct transition {
    verdict result;
    state next;  ///< as before unless the command succeeds
    std::vector<notification> notifications{};
};

/// What the command of host `by` makes of `now`. Statuses: Reservation Conflict and Invalid Field in Command, both
/// final; Internal Error without DNR where there are too many registrants. `can_persist`: the namespace supports PTPL.
transition apply(const state& now, const host_id& by, const register_command& c, bool can_persist);
transition apply(const state& now, const host_id& by, const acquire_command& c);
transition apply(const state& now, const host_id& by, const release_command& c);

}  // namespace causeway::nvmf::reservation
