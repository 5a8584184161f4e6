// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "Get Log Page command", Log Page Identifiers.
enum class lid : std::uint8_t {
    supported_log_pages = 0x00,
    error_information = 0x01,
    smart = 0x02,
    firmware_slot = 0x03,
    changed_namespace_list = 0x04,
    commands_effects = 0x05,
    device_self_test = 0x06,
    telemetry_host = 0x07,
    telemetry_controller = 0x08,
    endurance_group = 0x09,
    predictable_latency_nvm_set = 0x0a,
    predictable_latency_event = 0x0b,
    ana = 0x0c,
    persistent_event = 0x0d,
    lba_status = 0x0e,
    endurance_group_event = 0x0f,
    media_unit_status = 0x10,
    supported_capacity_configuration = 0x11,
    feature_effects = 0x12,
    mi_commands_effects = 0x13,
    lockdown = 0x14,
    boot_partition = 0x15,
    rotational_media = 0x16,
    discovery = 0x70,
    reservation_notification = 0x80,
    sanitize_status = 0x81,
};

/// NVM Express Base Specification 2.0, "Get Log Page command".
struct get_log_page_view {
    const command& sqe;

    constexpr nvme::lid lid() const noexcept { return static_cast<nvme::lid>(bits<7, 0>(sqe.cdw10.value())); }
    /// Log specific field.
    constexpr std::uint8_t lsp() const noexcept { return static_cast<std::uint8_t>(bits<14, 8>(sqe.cdw10.value())); }
    /// Retain Asynchronous Event: if clear, reading the page re-arms its event.
    constexpr bool rae() const noexcept { return bits<15, 15>(sqe.cdw10.value()) != 0; }
    /// Bytes asked for. NUMDU and NUMDL are dwords, 0's based: up to 16 GiB, hence 64 bits.
    constexpr std::uint64_t length_bytes() const noexcept {
        const std::uint64_t numd = bits<15, 0>(sqe.cdw11.value()) << 16 | bits<31, 16>(sqe.cdw10.value());
        return (numd + 1) * 4;
    }
    /// Log specific identifier.
    constexpr std::uint16_t lsi() const noexcept { return static_cast<std::uint16_t>(bits<31, 16>(sqe.cdw11.value())); }
    /// LPOU and LPOL: bytes, or an index where `offset_is_index()`.
    constexpr std::uint64_t offset() const noexcept { return std::uint64_t{sqe.cdw13} << 32 | sqe.cdw12; }
    constexpr bool offset_is_index() const noexcept { return bits<23, 23>(sqe.cdw14.value()) != 0; }
    constexpr std::uint8_t uuid_index() const noexcept {
        return static_cast<std::uint8_t>(bits<6, 0>(sqe.cdw14.value()));
    }
    constexpr std::uint8_t csi() const noexcept { return static_cast<std::uint8_t>(bits<31, 24>(sqe.cdw14.value())); }
};

/// LID 00h. NVM Express Base Specification 2.0, "Supported Log Pages".
struct supported_log_pages {
    le32 page[256];  ///< by LID
};
static_assert(wire_image<supported_log_pages, 1024>);

inline constexpr std::uint32_t log_page_supported = 1u << 0;     ///< LSUPP
inline constexpr unsigned log_page_lidsp_shift = 16;             ///< what is specific to the page, from here on
inline constexpr std::uint32_t log_page_index_offset = 1u << 1;  ///< IOS

/// LID 01h, an entry. NVM Express Base Specification 2.0, "Error Information Log Entry Data Structure".
struct error_information_entry {
    le64 error_count;  ///< 0: no entry
    le16 sqid;
    le16 cid;
    le16 status_word;               ///< as in a completion
    le16 parameter_error_location;  ///< byte of the command in 7:0, bit of it in 10:8; FFFFh: none
    le64 lba;
    le32 nsid;
    std::uint8_t vendor_specific;
    std::uint8_t trtype;
    std::uint8_t reserved30[2];
    le64 command_specific;
    le16 transport_specific;
    std::uint8_t reserved42[22];
};
static_assert(wire_image<error_information_entry, 64>);
static_assert(offsetof(error_information_entry, sqid) == 8);
static_assert(offsetof(error_information_entry, status_word) == 12);
static_assert(offsetof(error_information_entry, parameter_error_location) == 14);
static_assert(offsetof(error_information_entry, lba) == 16);
static_assert(offsetof(error_information_entry, nsid) == 24);
static_assert(offsetof(error_information_entry, trtype) == 29);
static_assert(offsetof(error_information_entry, command_specific) == 32);
static_assert(offsetof(error_information_entry, transport_specific) == 40);

inline constexpr std::uint16_t parameter_error_location_none = 0xffff;

constexpr std::uint16_t parameter_error_location(unsigned byte, unsigned bit = 0) noexcept {
    return static_cast<std::uint16_t>((bit & 7) << 8 | (byte & 0xff));
}

/// LID 02h. NVM Express Base Specification 2.0, "SMART / Health Information Log Page".
struct smart_log {
    std::uint8_t critical_warning;
    le16 composite_temperature;              ///< kelvin
    std::uint8_t available_spare;            ///< percent
    std::uint8_t available_spare_threshold;  ///< percent
    std::uint8_t percentage_used;
    std::uint8_t endurance_group_critical_warning;
    std::uint8_t reserved7[25];
    le128 data_units_read;     ///< 1000 units of 512 bytes, rounded up
    le128 data_units_written;  ///< likewise
    le128 host_read_commands;
    le128 host_write_commands;
    le128 controller_busy_time;  ///< minutes
    le128 power_cycles;
    le128 power_on_hours;
    le128 unsafe_shutdowns;
    le128 media_errors;
    le128 error_log_entries;
    le32 warning_temperature_time;   ///< minutes
    le32 critical_temperature_time;  ///< minutes
    le16 temperature_sensor[8];      ///< kelvin
    le32 thermal_transitions[2];
    le32 thermal_time[2];  ///< seconds
    std::uint8_t reserved232[280];
};
static_assert(wire_image<smart_log, 512>);
static_assert(offsetof(smart_log, composite_temperature) == 1);
static_assert(offsetof(smart_log, percentage_used) == 5);
static_assert(offsetof(smart_log, data_units_read) == 32);
static_assert(offsetof(smart_log, controller_busy_time) == 96);
static_assert(offsetof(smart_log, error_log_entries) == 176);
static_assert(offsetof(smart_log, warning_temperature_time) == 192);
static_assert(offsetof(smart_log, temperature_sensor) == 200);
static_assert(offsetof(smart_log, thermal_transitions) == 216);

inline constexpr std::uint8_t critical_warning_spare = 1 << 0;
inline constexpr std::uint8_t critical_warning_temperature = 1 << 1;
inline constexpr std::uint8_t critical_warning_reliability = 1 << 2;
inline constexpr std::uint8_t critical_warning_read_only = 1 << 3;
inline constexpr std::uint8_t critical_warning_backup = 1 << 4;

/// LID 03h. NVM Express Base Specification 2.0, "Firmware Slot Information".
struct firmware_slot_log {
    std::uint8_t afi;  ///< active slot in bits 2:0, the next one in bits 6:4
    std::uint8_t reserved1[7];
    char frs[7][8];  ///< ASCII, padded with spaces
    std::uint8_t reserved64[448];
};
static_assert(wire_image<firmware_slot_log, 512>);
static_assert(offsetof(firmware_slot_log, frs) == 8);

/// LID 04h. NVM Express Base Specification 2.0, "Changed Namespace List". FFFFFFFFh in the first entry and
/// nothing else means: more than 1024.
struct changed_namespace_list {
    le32 nsid[1024];
};
static_assert(wire_image<changed_namespace_list, 4096>);

/// LID 05h. NVM Express Base Specification 2.0, "Commands Supported and Effects".
struct commands_effects_log {
    le32 admin[256];  ///< by opcode
    le32 io[256];     ///< by opcode
    std::uint8_t reserved2048[2048];
};
static_assert(wire_image<commands_effects_log, 4096>);
static_assert(offsetof(commands_effects_log, io) == 1024);

/// NVM Express Base Specification 2.0, "Commands Supported and Effects Data Structure".
inline constexpr std::uint32_t effect_supported = 1u << 0;                        ///< CSUPP
inline constexpr std::uint32_t effect_changes_content = 1u << 1;                  ///< LBCC
inline constexpr std::uint32_t effect_changes_namespace_capabilities = 1u << 2;   ///< NCC
inline constexpr std::uint32_t effect_changes_namespace_inventory = 1u << 3;      ///< NIC
inline constexpr std::uint32_t effect_changes_controller_capabilities = 1u << 4;  ///< CCC
inline constexpr std::uint32_t effect_exclusive_per_namespace = 1u << 16;         ///< CSE 001b
inline constexpr std::uint32_t effect_exclusive_per_controller = 2u << 16;        ///< CSE 010b
inline constexpr std::uint32_t effect_uuid_selection = 1u << 19;                  ///< USS
inline constexpr std::uint32_t effect_scope_namespace = 1u << 20;                 ///< CSP, as are those below
inline constexpr std::uint32_t effect_scope_controller = 1u << 21;
inline constexpr std::uint32_t effect_scope_nvm_set = 1u << 22;
inline constexpr std::uint32_t effect_scope_endurance_group = 1u << 23;
inline constexpr std::uint32_t effect_scope_domain = 1u << 24;
inline constexpr std::uint32_t effect_scope_subsystem = 1u << 25;

/// LID 12h. NVM Express Base Specification 2.0, "Feature Identifiers Supported and Effects".
struct feature_effects_log {
    le32 feature[256];  ///< by FID
};
static_assert(wire_image<feature_effects_log, 1024>);

inline constexpr std::uint32_t feature_effect_supported = 1u << 0;          ///< FSUPP
inline constexpr std::uint32_t feature_effect_changes_user_data = 1u << 1;  ///< UDCC
inline constexpr std::uint32_t feature_effect_scope_namespace = 1u << 20;   ///< FSP, as are those below
inline constexpr std::uint32_t feature_effect_scope_controller = 1u << 21;

/// NVM Express Base Specification 2.0, "Asymmetric Namespace Access State".
enum class ana_state : std::uint8_t {
    optimized = 0x1,
    non_optimized = 0x2,
    inaccessible = 0x3,
    persistent_loss = 0x4,
    change = 0xf,
};

/// LID 0Ch; `ngrps` descriptors follow. NVM Express Base Specification 2.0, "Asymmetric Namespace Access".
struct ana_log_header {
    le64 chgcnt;
    le16 ngrps;
    std::uint8_t reserved10[6];
};
static_assert(wire_image<ana_log_header, 16>);
static_assert(offsetof(ana_log_header, ngrps) == 8);

/// `nnsids` namespace identifiers follow, each a le32. NVM Express Base Specification 2.0, "ANA Group
/// Descriptor format".
struct ana_group_descriptor {
    le32 grpid;
    le32 nnsids;
    le64 chgcnt;
    std::uint8_t state;  ///< ana_state, bits 3:0
    std::uint8_t reserved17[15];
};
static_assert(wire_image<ana_group_descriptor, 32>);
static_assert(offsetof(ana_group_descriptor, nnsids) == 4);
static_assert(offsetof(ana_group_descriptor, chgcnt) == 8);
static_assert(offsetof(ana_group_descriptor, state) == 16);

/// LSP bit of the ANA log page: descriptors without namespace lists.
inline constexpr std::uint8_t ana_lsp_return_groups_only = 1 << 0;

/// The type of a reservation notification. NVM Express Base Specification 2.0, "Reservation Notification".
enum class reservation_notice : std::uint8_t {
    empty = 0,
    registration_preempted = 1,
    reservation_released = 2,
    reservation_preempted = 3,
};

/// LID 80h. NVM Express Base Specification 2.0, "Reservation Notification".
struct reservation_notification_log {
    le64 count;         ///< 0 only in an empty page
    std::uint8_t type;  ///< reservation_notice
    std::uint8_t nalp;  ///< further pages available
    std::uint8_t reserved10[2];
    le32 nsid;
    std::uint8_t reserved16[48];
};
static_assert(wire_image<reservation_notification_log, 64>);
static_assert(offsetof(reservation_notification_log, type) == 8);
static_assert(offsetof(reservation_notification_log, nsid) == 12);

}  // namespace causeway::nvme
