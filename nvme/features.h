// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "Set Features command", Feature Identifiers.
enum class fid : std::uint8_t {
    arbitration = 0x01,
    power_management = 0x02,
    lba_range_type = 0x03,
    temperature_threshold = 0x04,
    error_recovery = 0x05,
    volatile_write_cache = 0x06,
    number_of_queues = 0x07,
    interrupt_coalescing = 0x08,
    interrupt_vector_configuration = 0x09,
    write_atomicity = 0x0a,
    async_event_configuration = 0x0b,
    autonomous_power_state_transition = 0x0c,
    host_memory_buffer = 0x0d,
    timestamp = 0x0e,
    keep_alive_timer = 0x0f,
    host_controlled_thermal_management = 0x10,
    non_operational_power_state = 0x11,
    read_recovery_level = 0x12,
    predictable_latency_mode = 0x13,
    predictable_latency_mode_window = 0x14,
    lba_status_report_interval = 0x15,
    host_behavior_support = 0x16,
    sanitize = 0x17,
    endurance_group_event = 0x18,
    io_command_set_profile = 0x19,
    spinup_control = 0x1a,
    enhanced_controller_metadata = 0x7d,
    controller_metadata = 0x7e,
    namespace_metadata = 0x7f,
    software_progress_marker = 0x80,
    host_identifier = 0x81,
    reservation_notification_mask = 0x82,
    reservation_persistence = 0x83,
    namespace_write_protection = 0x84,
};

/// Select of Get Features.
enum class feature_select : std::uint8_t { current = 0, defaults = 1, saved = 2, capabilities = 3 };

/// What Get Features returns in `dw0` for `feature_select::capabilities`.
inline constexpr std::uint32_t feature_saveable = 1u << 0;
inline constexpr std::uint32_t feature_namespace_specific = 1u << 1;
inline constexpr std::uint32_t feature_changeable = 1u << 2;

/// NVM Express Base Specification 2.0, "Get Features command" and "Set Features command". The value to set is
/// in `cdw11`.
struct features_view {
    const command& sqe;

    constexpr nvme::fid fid() const noexcept { return static_cast<nvme::fid>(bits<7, 0>(sqe.cdw10.value())); }
    /// Get Features only.
    constexpr feature_select select() const noexcept {
        return static_cast<feature_select>(bits<10, 8>(sqe.cdw10.value()));
    }
    /// Set Features only.
    constexpr bool save() const noexcept { return bits<31, 31>(sqe.cdw10.value()) != 0; }
    constexpr std::uint32_t value() const noexcept { return sqe.cdw11; }
    constexpr std::uint8_t uuid_index() const noexcept {
        return static_cast<std::uint8_t>(bits<6, 0>(sqe.cdw14.value()));
    }
};

/// Number of Queues, in `cdw11` and in `dw0`: both halves 0's based, submission queues low, completion queues
/// high.
constexpr std::uint32_t number_of_queues(std::uint32_t submission, std::uint32_t completion) noexcept {
    return (completion - 1) << 16 | (submission - 1);
}

inline constexpr std::uint32_t volatile_write_cache_enable = 1u << 0;     ///< WCE
inline constexpr std::uint32_t write_atomicity_disable_normal = 1u << 0;  ///< DN
inline constexpr std::uint32_t error_recovery_dulbe = 1u << 16;           ///< deallocated block error
inline constexpr std::uint32_t host_identifier_extended = 1u << 0;        ///< EXHID: 128 bits
inline constexpr std::uint32_t reservation_persistence_ptpl = 1u << 0;    ///< persist through power loss
inline constexpr std::uint32_t reservation_mask_registration_preempted = 1u << 1;
inline constexpr std::uint32_t reservation_mask_reservation_released = 1u << 2;
inline constexpr std::uint32_t reservation_mask_reservation_preempted = 1u << 3;

/// Data of Host Behavior Support. NVM Express Base Specification 2.0, "Host Behavior Support - Data
/// Structure".
struct host_behavior_support {
    std::uint8_t acre;    ///< 1: the host retries Command Interrupted after CRD
    std::uint8_t etdas;   ///< 1: extended telemetry data area 4
    std::uint8_t lbafee;  ///< 1: the host knows extended LBA formats
    std::uint8_t reserved3[509];
};
static_assert(wire_image<host_behavior_support, 512>);
static_assert(offsetof(host_behavior_support, lbafee) == 2);

/// NVM Express Base Specification 2.0, "Asynchronous Event Request command", Asynchronous Event Type.
enum class async_event_type : std::uint8_t {
    error = 0,
    smart = 1,
    notice = 2,
    io_command_set = 6,
    vendor = 7,
};

/// Asynchronous Event Information of type error.
enum class error_event : std::uint8_t {
    invalid_doorbell_register = 0,
    invalid_doorbell_value = 1,
    diagnostic_failure = 2,
    persistent_internal_error = 3,
    transient_internal_error = 4,
    firmware_image_load_error = 5,
};

/// Asynchronous Event Information of type smart.
enum class smart_event : std::uint8_t {
    subsystem_reliability = 0,
    temperature_threshold = 1,
    spare_below_threshold = 2,
};

/// Asynchronous Event Information of type notice.
enum class notice_event : std::uint8_t {
    namespace_attribute_changed = 0x00,
    firmware_activation_starting = 0x01,
    telemetry_log_changed = 0x02,
    ana_change = 0x03,
    predictable_latency_event = 0x04,
    lba_status_alert = 0x05,
    endurance_group_event = 0x06,
    normal_shutdown = 0x07,
    discovery_log_change = 0xf0,
};

/// Asynchronous Event Information of type I/O command set specific.
enum class io_command_set_event : std::uint8_t {
    reservation_log_available = 0,
    sanitize_completed = 1,
    sanitize_completed_unexpected_deallocation = 2,
};

/// `dw0` of an Asynchronous Event Request's completion: type in bits 2:0, information in 15:8, log page in
/// 23:16. NVM Express Base Specification 2.0, "Asynchronous Event Request command", Completion Queue Entry
/// Dword 0.
constexpr std::uint32_t async_event_dw0(async_event_type type, std::uint8_t information,
                                        std::uint8_t log_page_identifier) noexcept {
    return std::uint32_t{log_page_identifier} << 16 | std::uint32_t{information} << 8 | to_underlying(type);
}
constexpr std::uint32_t async_event_dw0(notice_event notice, std::uint8_t log_page_identifier) noexcept {
    return async_event_dw0(async_event_type::notice, to_underlying(notice), log_page_identifier);
}

/// Bits of the Asynchronous Event Configuration feature. The notices are the bits of OAES of Identify
/// Controller. NVM Express Base Specification 2.0, "Asynchronous Event Configuration".
inline constexpr std::uint32_t async_config_smart_mask = 0xff;  ///< critical warnings, bit by bit
inline constexpr std::uint32_t async_config_namespace_attribute = 1u << 8;
inline constexpr std::uint32_t async_config_firmware_activation = 1u << 9;
inline constexpr std::uint32_t async_config_telemetry_log = 1u << 10;
inline constexpr std::uint32_t async_config_ana_change = 1u << 11;
inline constexpr std::uint32_t async_config_predictable_latency = 1u << 12;
inline constexpr std::uint32_t async_config_lba_status = 1u << 13;
inline constexpr std::uint32_t async_config_endurance_group = 1u << 14;
inline constexpr std::uint32_t async_config_normal_shutdown = 1u << 15;
inline constexpr std::uint32_t async_config_discovery_log_change = 1u << 31;

}  // namespace causeway::nvme
