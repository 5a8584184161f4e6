// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nvme/endian.h"

namespace causeway::nvme {

/// Status Code Type. NVM Express Base Specification 2.0, "Status Code Type (SCT)".
enum class sct : std::uint8_t {
    generic = 0,
    command_specific = 1,
    media = 2,  ///< media and data integrity errors
    path = 3,   ///< path related: the host's multipathing tries another path
    vendor = 7,
};

/// The 15-bit Status Field of a completion, in host order: SC in bits 7:0, SCT in 10:8, Command Retry Delay
/// in 12:11, More in 13, Do Not Retry in 14. NVM Express Base Specification 2.0, "Status Field Definition".
struct status {
    std::uint16_t value = 0;

    constexpr status() = default;

    constexpr status(sct type, std::uint8_t code, bool dnr = false) noexcept
        : value(static_cast<std::uint16_t>(code | (to_underlying(type) & 7) << 8 | (dnr ? dnr_bit : 0))) {}

    /// From the last word of a completion, whose bit 0 is the phase tag.
    static constexpr status from_word(std::uint16_t word) noexcept {
        status s;
        s.value = static_cast<std::uint16_t>(word >> 1);
        return s;
    }

    /// The last word of a completion. Over fabrics the phase tag is always 0.
    constexpr std::uint16_t to_word(bool phase = false) const noexcept {
        return static_cast<std::uint16_t>(value << 1 | (phase ? 1 : 0));
    }

    constexpr sct type() const noexcept { return static_cast<sct>(bits<10, 8>(value)); }
    constexpr std::uint8_t code() const noexcept { return static_cast<std::uint8_t>(bits<7, 0>(value)); }
    /// 0: retry at once; 1 to 3: retry after the delay CRDT1 to CRDT3 of Identify Controller.
    constexpr std::uint8_t crd() const noexcept { return static_cast<std::uint8_t>(bits<12, 11>(value)); }
    constexpr bool more() const noexcept { return (value & more_bit) != 0; }
    constexpr bool dnr() const noexcept { return (value & dnr_bit) != 0; }
    constexpr bool ok() const noexcept { return bits<10, 0>(value) == 0; }

    /// Same type and code, whatever the retry bits say.
    constexpr bool is(status other) const noexcept { return bits<10, 0>(value) == bits<10, 0>(other.value); }

    constexpr status with_dnr(bool on = true) const noexcept { return with(dnr_bit, on); }
    /// More: the Error Information log page has an entry about this command.
    constexpr status with_more(bool on = true) const noexcept { return with(more_bit, on); }
    constexpr status with_crd(std::uint8_t crd) const noexcept {
        status s;
        s.value = with_bits<12, 11>(value, crd);
        return s;
    }

    friend constexpr bool operator==(status, status) = default;

  private:
    static constexpr std::uint16_t more_bit = 1u << 13;
    static constexpr std::uint16_t dnr_bit = 1u << 14;

    constexpr status with(std::uint16_t bit, bool on) const noexcept {
        status s;
        s.value = static_cast<std::uint16_t>(on ? value | bit : value & ~bit);
        return s;
    }
};
static_assert(sizeof(status) == 2);

// Every status by name, once: the constants of namespace `sc` and their strings both come from this list.
// NVM Express Base Specification 2.0, "Status Code (SC)"; NVM Command Set Specification 1.0, "Status Field
// Definition"; NVMe over Fabrics 1.1, "Fabrics Response Capsule - Status".
//
// Command specific codes from 80h on mean one thing for fabrics commands and another for I/O commands.
// clang-format off
#define CAUSEWAY_NVME_STATUS_LIST(X)                                  \
    X(generic, 0x00, success)                                         \
    X(generic, 0x01, invalid_opcode)                                  \
    X(generic, 0x02, invalid_field)                                   \
    X(generic, 0x03, command_id_conflict)                             \
    X(generic, 0x04, data_transfer_error)                             \
    X(generic, 0x05, aborted_power_loss)                              \
    X(generic, 0x06, internal_error)                                  \
    X(generic, 0x07, aborted_by_request)                              \
    X(generic, 0x08, aborted_sq_deletion)                             \
    X(generic, 0x09, aborted_failed_fused)                            \
    X(generic, 0x0a, aborted_missing_fused)                           \
    X(generic, 0x0b, invalid_namespace_or_format)                     \
    X(generic, 0x0c, command_sequence_error)                          \
    X(generic, 0x0d, invalid_sgl_segment)                             \
    X(generic, 0x0e, invalid_sgl_count)                               \
    X(generic, 0x0f, data_sgl_length_invalid)                         \
    X(generic, 0x10, metadata_sgl_length_invalid)                     \
    X(generic, 0x11, sgl_type_invalid)                                \
    X(generic, 0x12, invalid_use_of_cmb)                              \
    X(generic, 0x13, prp_offset_invalid)                              \
    X(generic, 0x14, atomic_write_unit_exceeded)                      \
    X(generic, 0x15, operation_denied)                                \
    X(generic, 0x16, sgl_offset_invalid)                              \
    X(generic, 0x18, host_id_inconsistent)                            \
    X(generic, 0x19, keep_alive_expired)                              \
    X(generic, 0x1a, keep_alive_invalid)                              \
    X(generic, 0x1b, aborted_preempt_and_abort)                       \
    X(generic, 0x1c, sanitize_failed)                                 \
    X(generic, 0x1d, sanitize_in_progress)                            \
    X(generic, 0x1e, sgl_granularity_invalid)                         \
    X(generic, 0x1f, command_not_supported_for_cmb_queue)             \
    X(generic, 0x20, namespace_is_write_protected)                    \
    X(generic, 0x21, command_interrupted)                             \
    X(generic, 0x22, transient_transport_error)                       \
    X(generic, 0x23, prohibited_by_lockdown)                          \
    X(generic, 0x24, admin_command_media_not_ready)                   \
    X(generic, 0x80, lba_out_of_range)                                \
    X(generic, 0x81, capacity_exceeded)                               \
    X(generic, 0x82, namespace_not_ready)                             \
    X(generic, 0x83, reservation_conflict)                            \
    X(generic, 0x84, format_in_progress)                              \
    X(command_specific, 0x00, completion_queue_invalid)               \
    X(command_specific, 0x01, invalid_queue_identifier)               \
    X(command_specific, 0x02, invalid_queue_size)                     \
    X(command_specific, 0x03, abort_limit_exceeded)                   \
    X(command_specific, 0x05, async_event_limit_exceeded)             \
    X(command_specific, 0x06, invalid_firmware_slot)                  \
    X(command_specific, 0x07, invalid_firmware_image)                 \
    X(command_specific, 0x08, invalid_interrupt_vector)               \
    X(command_specific, 0x09, invalid_log_page)                       \
    X(command_specific, 0x0a, invalid_format)                         \
    X(command_specific, 0x0b, firmware_requires_conventional_reset)   \
    X(command_specific, 0x0c, invalid_queue_deletion)                 \
    X(command_specific, 0x0d, feature_not_saveable)                   \
    X(command_specific, 0x0e, feature_not_changeable)                 \
    X(command_specific, 0x0f, feature_not_namespace_specific)         \
    X(command_specific, 0x10, firmware_requires_subsystem_reset)      \
    X(command_specific, 0x11, firmware_requires_controller_reset)     \
    X(command_specific, 0x12, firmware_requires_max_time_violation)   \
    X(command_specific, 0x13, firmware_activation_prohibited)         \
    X(command_specific, 0x14, overlapping_range)                      \
    X(command_specific, 0x15, namespace_insufficient_capacity)        \
    X(command_specific, 0x16, namespace_id_unavailable)               \
    X(command_specific, 0x18, namespace_already_attached)             \
    X(command_specific, 0x19, namespace_is_private)                   \
    X(command_specific, 0x1a, namespace_not_attached)                 \
    X(command_specific, 0x1b, thin_provisioning_not_supported)        \
    X(command_specific, 0x1c, controller_list_invalid)                \
    X(command_specific, 0x1d, device_self_test_in_progress)           \
    X(command_specific, 0x1e, boot_partition_write_prohibited)        \
    X(command_specific, 0x1f, invalid_controller_identifier)          \
    X(command_specific, 0x20, invalid_secondary_controller_state)     \
    X(command_specific, 0x21, invalid_number_of_controller_resources) \
    X(command_specific, 0x22, invalid_resource_identifier)            \
    X(command_specific, 0x23, sanitize_prohibited_by_pmr)             \
    X(command_specific, 0x24, ana_group_id_invalid)                   \
    X(command_specific, 0x25, ana_attach_failed)                      \
    X(command_specific, 0x26, insufficient_capacity)                  \
    X(command_specific, 0x27, namespace_attachment_limit_exceeded)    \
    X(command_specific, 0x28, prohibition_not_supported)              \
    X(command_specific, 0x29, io_command_set_not_supported)           \
    X(command_specific, 0x2a, io_command_set_not_enabled)             \
    X(command_specific, 0x2b, io_command_set_combination_rejected)    \
    X(command_specific, 0x2c, invalid_io_command_set)                 \
    X(command_specific, 0x2d, identifier_unavailable)                 \
    /* I/O commands */                                                \
    X(command_specific, 0x80, conflicting_attributes)                 \
    X(command_specific, 0x81, invalid_protection_information)         \
    X(command_specific, 0x82, write_to_read_only_range)               \
    X(command_specific, 0x83, command_size_limit_exceeded)            \
    /* fabrics commands */                                            \
    X(command_specific, 0x80, connect_incompatible_format)            \
    X(command_specific, 0x81, connect_controller_busy)                \
    X(command_specific, 0x82, connect_invalid_parameters)             \
    X(command_specific, 0x83, connect_restart_discovery)              \
    X(command_specific, 0x84, connect_invalid_host)                   \
    X(command_specific, 0x85, invalid_queue_type)                     \
    X(command_specific, 0x90, discovery_restart)                      \
    X(command_specific, 0x91, auth_required)                          \
    X(media, 0x80, write_fault)                                       \
    X(media, 0x81, unrecovered_read)                                  \
    X(media, 0x82, guard_check_error)                                 \
    X(media, 0x83, application_tag_check_error)                       \
    X(media, 0x84, reference_tag_check_error)                         \
    X(media, 0x85, compare_failure)                                   \
    X(media, 0x86, access_denied)                                     \
    X(media, 0x87, deallocated_or_unwritten_block)                    \
    X(media, 0x88, storage_tag_check_error)                           \
    X(path, 0x00, internal_path_error)                                \
    X(path, 0x01, asymmetric_access_persistent_loss)                  \
    X(path, 0x02, asymmetric_access_inaccessible)                     \
    X(path, 0x03, asymmetric_access_transition)                       \
    X(path, 0x60, controller_pathing_error)                           \
    X(path, 0x70, host_pathing_error)                                 \
    X(path, 0x71, host_aborted)
// clang-format on

/// Status values without retry bits: `sc::invalid_field`, or `sc::invalid_field.with_dnr()` for a final
/// answer.
namespace sc {

#define X(type, code, name) inline constexpr status name{sct::type, code};
CAUSEWAY_NVME_STATUS_LIST(X)
#undef X

struct named_status {
    status value;
    std::string_view name;
};

/// All of the above, in the list's order. Two entries may share a value, see there.
inline constexpr named_status all[] = {
#define X(type, code, name) {sc::name, #name},
    CAUSEWAY_NVME_STATUS_LIST(X)
#undef X
};

}  // namespace sc

#undef CAUSEWAY_NVME_STATUS_LIST

constexpr std::string_view to_string(sct type) noexcept {
    switch (type) {
    case sct::generic: return "generic";
    case sct::command_specific: return "command_specific";
    case sct::media: return "media";
    case sct::path: return "path";
    case sct::vendor: return "vendor";
    }
    return "reserved";
}

/// For logs and error replies: "invalid_field dnr", or "vendor/0x2a" for a status without a name. Where an
/// I/O command and a fabrics command share a code both names are given. Allocates: not for the data path.
inline std::string to_string(status s) {
    std::string out;
    for (const auto& known : sc::all) {
        if (known.value.is(s)) {
            out += out.empty() ? "" : "|";
            out += known.name;
        }
    }
    if (out.empty()) {
        constexpr char digits[] = "0123456789abcdef";
        out += to_string(s.type());
        out += "/0x";
        out += digits[s.code() >> 4];
        out += digits[s.code() & 0xf];
    }
    if (s.crd() != 0) {
        out += " crd=";
        out += static_cast<char>('0' + s.crd());
    }
    out += s.more() ? " more" : "";
    out += s.dnr() ? " dnr" : "";
    return out;
}

}  // namespace causeway::nvme
