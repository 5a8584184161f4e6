// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "Reservation Type Encoding".
enum class reservation_type : std::uint8_t {
    none = 0,
    write_exclusive = 1,
    exclusive_access = 2,
    write_exclusive_registrants_only = 3,
    exclusive_access_registrants_only = 4,
    write_exclusive_all_registrants = 5,
    exclusive_access_all_registrants = 6,
};

/// RREGA. NVM Express Base Specification 2.0, "Reservation Register command".
enum class reservation_register_action : std::uint8_t { register_key = 0, unregister_key = 1, replace_key = 2 };

/// RACQA. NVM Express Base Specification 2.0, "Reservation Acquire command".
enum class reservation_acquire_action : std::uint8_t { acquire = 0, preempt = 1, preempt_and_abort = 2 };

/// RRELA. NVM Express Base Specification 2.0, "Reservation Release command".
enum class reservation_release_action : std::uint8_t { release = 0, clear = 1 };

/// CPTPL: what Reservation Register does to persistence through power loss.
enum class reservation_ptpl_change : std::uint8_t { none = 0, reserved = 1, clear = 2, set = 3 };

/// The fields of Reservation Register, Acquire and Release in `cdw10`.
struct reservation_view {
    const command& sqe;

    constexpr reservation_register_action register_action() const noexcept {
        return static_cast<reservation_register_action>(action());
    }
    constexpr reservation_acquire_action acquire_action() const noexcept {
        return static_cast<reservation_acquire_action>(action());
    }
    constexpr reservation_release_action release_action() const noexcept {
        return static_cast<reservation_release_action>(action());
    }
    /// IEKEY: the current key is not checked.
    constexpr bool ignore_existing_key() const noexcept { return bits<3, 3>(sqe.cdw10.value()) != 0; }
    /// RTYPE of Acquire and Release.
    constexpr reservation_type type() const noexcept {
        return static_cast<reservation_type>(bits<15, 8>(sqe.cdw10.value()));
    }
    /// CPTPL of Register.
    constexpr reservation_ptpl_change ptpl_change() const noexcept {
        return static_cast<reservation_ptpl_change>(bits<31, 30>(sqe.cdw10.value()));
    }

  private:
    constexpr std::uint8_t action() const noexcept { return static_cast<std::uint8_t>(bits<2, 0>(sqe.cdw10.value())); }
};

/// NVM Express Base Specification 2.0, "Reservation Report command".
struct reservation_report_view {
    const command& sqe;

    /// NUMD is dwords, 0's based: up to 16 GiB, hence 64 bits.
    constexpr std::uint64_t length_bytes() const noexcept { return (std::uint64_t{sqe.cdw10} + 1) * 4; }
    /// EDS: 128-bit host identifiers.
    constexpr bool extended() const noexcept { return bits<0, 0>(sqe.cdw11.value()) != 0; }
};

/// NVM Express Base Specification 2.0, "Reservation Register Data Structure".
struct reservation_register_data {
    le64 crkey;  ///< current key
    le64 nrkey;  ///< new key
};
static_assert(wire_image<reservation_register_data, 16>);
static_assert(offsetof(reservation_register_data, nrkey) == 8);

/// NVM Express Base Specification 2.0, "Reservation Acquire Data Structure".
struct reservation_acquire_data {
    le64 crkey;  ///< current key
    le64 prkey;  ///< key to preempt
};
static_assert(wire_image<reservation_acquire_data, 16>);
static_assert(offsetof(reservation_acquire_data, prkey) == 8);

/// NVM Express Base Specification 2.0, "Reservation Release Data Structure".
struct reservation_release_data {
    le64 crkey;  ///< current key
};
static_assert(wire_image<reservation_release_data, 8>);

/// Head of both reports. NVM Express Base Specification 2.0, "Reservation Status Data Structure".
struct reservation_status_header {
    le32 gen;  ///< one more for every registration, clear and preemption
    std::uint8_t rtype;
    le16 regctl;  ///< registered controllers
    std::uint8_t reserved7[2];
    std::uint8_t ptpls;  ///< 1: persists through power loss
    std::uint8_t reserved10[14];
};
static_assert(wire_image<reservation_status_header, 24>);
static_assert(offsetof(reservation_status_header, rtype) == 4);
static_assert(offsetof(reservation_status_header, regctl) == 5);
static_assert(offsetof(reservation_status_header, ptpls) == 9);

/// Follows the header, `regctl` times. NVM Express Base Specification 2.0, "Registered Controller Data
/// Structure".
struct registered_controller {
    le16 cntlid;
    std::uint8_t rcsts;  ///< bit 0: holds the reservation
    std::uint8_t reserved3[5];
    le64 hostid;
    le64 rkey;
};
static_assert(wire_image<registered_controller, 24>);
static_assert(offsetof(registered_controller, rcsts) == 2);
static_assert(offsetof(registered_controller, hostid) == 8);
static_assert(offsetof(registered_controller, rkey) == 16);

/// NVM Express Base Specification 2.0, "Reservation Status Extended Data Structure".
struct reservation_status_extended_header {
    reservation_status_header status;
    std::uint8_t reserved24[40];
};
static_assert(wire_image<reservation_status_extended_header, 64>);

/// NVM Express Base Specification 2.0, "Registered Controller Extended Data Structure".
struct registered_controller_extended {
    le16 cntlid;
    std::uint8_t rcsts;  ///< bit 0: holds the reservation
    std::uint8_t reserved3[5];
    le64 rkey;
    std::uint8_t hostid[16];
    std::uint8_t reserved32[32];
};
static_assert(wire_image<registered_controller_extended, 64>);
static_assert(offsetof(registered_controller_extended, rkey) == 8);
static_assert(offsetof(registered_controller_extended, hostid) == 16);

inline constexpr std::uint8_t rcsts_holds_reservation = 1 << 0;

}  // namespace causeway::nvme
