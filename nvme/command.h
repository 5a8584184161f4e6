// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"
#include "nvme/sgl.h"
#include "nvme/status.h"

namespace causeway::nvme {

/// Namespace identifier that addresses every namespace.
inline constexpr std::uint32_t broadcast_nsid = 0xffffffff;

/// On the admin and on I/O queues alike; the command is then told by its `fctype`.
inline constexpr std::uint8_t fabrics_opcode = 0x7f;

/// NVM Express Base Specification 2.0, "Admin Command Set", opcodes.
enum class admin_opcode : std::uint8_t {
    delete_io_sq = 0x00,
    create_io_sq = 0x01,
    get_log_page = 0x02,
    delete_io_cq = 0x04,
    create_io_cq = 0x05,
    identify = 0x06,
    abort = 0x08,
    set_features = 0x09,
    get_features = 0x0a,
    async_event_request = 0x0c,
    namespace_management = 0x0d,
    firmware_commit = 0x10,
    firmware_image_download = 0x11,
    device_self_test = 0x14,
    namespace_attachment = 0x15,
    keep_alive = 0x18,
    directive_send = 0x19,
    directive_receive = 0x1a,
    virtualization_management = 0x1c,
    nvme_mi_send = 0x1d,
    nvme_mi_receive = 0x1e,
    capacity_management = 0x20,
    lockdown = 0x24,
    doorbell_buffer_config = 0x7c,
    fabrics = fabrics_opcode,
    format_nvm = 0x80,
    security_send = 0x81,
    security_receive = 0x82,
    sanitize = 0x84,
    get_lba_status = 0x86,
};

/// NVM Express Base Specification 2.0, "I/O Commands", and NVM Command Set Specification 1.0, opcodes.
enum class io_opcode : std::uint8_t {
    flush = 0x00,
    write = 0x01,
    read = 0x02,
    write_uncorrectable = 0x04,
    compare = 0x05,
    write_zeroes = 0x08,
    dataset_management = 0x09,
    verify = 0x0c,
    reservation_register = 0x0d,
    reservation_report = 0x0e,
    reservation_acquire = 0x11,
    reservation_release = 0x15,
    copy = 0x19,
    fabrics = fabrics_opcode,
};

/// Which way data goes is in the low two bits of most opcodes, and of a fabrics command's FCTYPE.
/// NVM Express Base Specification 2.0, "Opcode", Data Transfer.
enum class data_transfer : std::uint8_t {
    none = 0,
    host_to_controller = 1,
    controller_to_host = 2,
    bidirectional = 3,
};

constexpr data_transfer transfer_of(std::uint8_t opcode) noexcept {
    return static_cast<data_transfer>(opcode & 3);
}

enum class fuse : std::uint8_t { normal = 0, first = 1, second = 2, reserved = 3 };

/// PRP or SGL for Data Transfer. Over fabrics only `sgl` and `sgl_metadata_sgl` are legal.
enum class psdt : std::uint8_t { prp = 0, sgl = 1, sgl_metadata_sgl = 2, reserved = 3 };

/// Submission queue entry. NVM Express Base Specification 2.0, "Common Command Format"; for fabrics commands
/// see fabrics.h, which lays other structs over the same 64 bytes.
struct command {
    std::uint8_t opcode;
    std::uint8_t flags;  ///< FUSE in bits 1:0, PSDT in bits 7:6
    le16 cid;
    le32 nsid;
    le32 cdw2;
    le32 cdw3;
    le64 mptr;
    sgl_descriptor sgl;  ///< DPTR
    le32 cdw10;
    le32 cdw11;
    le32 cdw12;
    le32 cdw13;
    le32 cdw14;
    le32 cdw15;

    constexpr admin_opcode as_admin() const noexcept { return static_cast<admin_opcode>(opcode); }
    constexpr io_opcode as_io() const noexcept { return static_cast<io_opcode>(opcode); }
    constexpr nvme::fuse fuse() const noexcept { return static_cast<nvme::fuse>(flags & 3); }
    constexpr nvme::psdt psdt() const noexcept { return static_cast<nvme::psdt>(flags >> 6); }
};
static_assert(wire_image<command, 64>);
static_assert(offsetof(command, cid) == 2);
static_assert(offsetof(command, nsid) == 4);
static_assert(offsetof(command, mptr) == 16);
static_assert(offsetof(command, sgl) == 24);
static_assert(offsetof(command, cdw10) == 40);
static_assert(offsetof(command, cdw15) == 60);

/// Completion queue entry. NVM Express Base Specification 2.0, "Common Completion Queue Entry".
struct completion {
    le32 dw0;   ///< command specific result
    le32 dw1;   ///< command specific result
    le16 sqhd;  ///< submission queue head
    le16 sqid;  ///< reserved over fabrics
    le16 cid;
    le16 status_word;  ///< the status in bits 15:1, the phase tag in bit 0 (0 over fabrics)

    constexpr std::uint64_t result64() const noexcept { return std::uint64_t{dw1} << 32 | dw0; }
    constexpr void set_result64(std::uint64_t value) noexcept {
        dw0 = static_cast<std::uint32_t>(value);
        dw1 = static_cast<std::uint32_t>(value >> 32);
    }
    constexpr nvme::status status() const noexcept { return nvme::status::from_word(status_word); }
    constexpr void set_status(nvme::status s, bool phase = false) noexcept { status_word = s.to_word(phase); }
};
static_assert(wire_image<completion, 16>);
static_assert(offsetof(completion, sqhd) == 8);
static_assert(offsetof(completion, sqid) == 10);
static_assert(offsetof(completion, cid) == 12);
static_assert(offsetof(completion, status_word) == 14);

/// SQHD of a queue whose submission queue flow control was disabled at Connect.
inline constexpr std::uint16_t sqhd_without_flow_control = 0xffff;

/// Protection Information Field: what to check of a block's protection information, and who makes it.
/// NVM Command Set Specification 1.0, "Protection Information Field Definition".
enum prinfo : std::uint8_t {
    prinfo_check_reference_tag = 1 << 0,
    prinfo_check_application_tag = 1 << 1,
    prinfo_check_guard = 1 << 2,
    prinfo_pract = 1 << 3,
};

/// Reads the fields that Read, Write, Compare, Write Zeroes, Write Uncorrectable and Verify share.
/// NVM Command Set Specification 1.0, "NVM Command Set Commands".
struct block_command_view {
    const command& sqe;

    constexpr std::uint64_t slba() const noexcept { return std::uint64_t{sqe.cdw11} << 32 | sqe.cdw10; }
    /// 0's based, as on the wire.
    constexpr std::uint16_t nlb() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(cdw12())); }
    /// The number of blocks, 1 to 65536.
    constexpr std::uint32_t blocks() const noexcept { return std::uint32_t{nlb()} + 1; }
    /// Write Zeroes only: the blocks may be deallocated.
    constexpr bool deac() const noexcept { return bits<25, 25>(cdw12()) != 0; }
    constexpr bool stc() const noexcept { return bits<24, 24>(cdw12()) != 0; }
    constexpr std::uint8_t prinfo() const noexcept { return static_cast<std::uint8_t>(bits<29, 26>(cdw12())); }
    constexpr bool fua() const noexcept { return bits<30, 30>(cdw12()) != 0; }
    constexpr bool limited_retry() const noexcept { return bits<31, 31>(cdw12()) != 0; }
    /// Write only: directive type.
    constexpr std::uint8_t dtype() const noexcept { return static_cast<std::uint8_t>(bits<23, 20>(cdw12())); }

  private:
    constexpr std::uint32_t cdw12() const noexcept { return sqe.cdw12; }
};

/// Lets a host or a test write the same fields. `blocks` is the count, 1 to 65536.
constexpr void set_block_range(command& sqe, std::uint64_t slba, std::uint32_t blocks) noexcept {
    sqe.cdw10 = static_cast<std::uint32_t>(slba);
    sqe.cdw11 = static_cast<std::uint32_t>(slba >> 32);
    sqe.cdw12 = with_bits<15, 0>(sqe.cdw12.value(), blocks - 1);
}

inline constexpr std::uint32_t rw_fua = 1u << 30;             ///< in `cdw12`
inline constexpr std::uint32_t rw_limited_retry = 1u << 31;   ///< in `cdw12`
inline constexpr std::uint32_t write_zeroes_deac = 1u << 25;  ///< in `cdw12`

/// NVM Command Set Specification 1.0, "Dataset Management command".
struct dsm_view {
    const command& sqe;

    /// The number of ranges, 1 to 256; 0's based on the wire.
    constexpr std::uint32_t ranges() const noexcept { return bits<7, 0>(sqe.cdw10.value()) + 1; }
    constexpr bool integral_for_read() const noexcept { return bits<0, 0>(sqe.cdw11.value()) != 0; }
    constexpr bool integral_for_write() const noexcept { return bits<1, 1>(sqe.cdw11.value()) != 0; }
    constexpr bool deallocate() const noexcept { return bits<2, 2>(sqe.cdw11.value()) != 0; }
};

inline constexpr std::uint32_t dsm_max_ranges = 256;

/// NVM Command Set Specification 1.0, "Dataset Management - Range Definition".
struct dsm_range {
    le32 cattr;  ///< context attributes: hints
    le32 nlb;    ///< the number of blocks, not 0's based
    le64 slba;
};
static_assert(wire_image<dsm_range, 16>);
static_assert(offsetof(dsm_range, nlb) == 4);
static_assert(offsetof(dsm_range, slba) == 8);

/// NVM Command Set Specification 1.0, "Copy command".
struct copy_view {
    const command& sqe;

    constexpr std::uint64_t sdlba() const noexcept { return std::uint64_t{sqe.cdw11} << 32 | sqe.cdw10; }
    /// The number of source ranges, 1 to 256; 0's based on the wire.
    constexpr std::uint32_t ranges() const noexcept { return bits<7, 0>(sqe.cdw12.value()) + 1; }
    constexpr std::uint8_t descriptor_format() const noexcept {
        return static_cast<std::uint8_t>(bits<11, 8>(sqe.cdw12.value()));
    }
    /// Directive type.
    constexpr std::uint8_t dtype() const noexcept { return static_cast<std::uint8_t>(bits<23, 20>(sqe.cdw12.value())); }
    constexpr bool fua() const noexcept { return (sqe.cdw12 & rw_fua) != 0; }
};

/// NVM Command Set Specification 1.0, "Copy - Source Range Entries Descriptor Format 0h".
struct copy_range {
    std::uint8_t reserved0[8];
    le64 slba;
    le16 nlb;  ///< 0's based
    std::uint8_t reserved18[6];
    le32 eilbrt;
    le16 elbat;
    le16 elbatm;
};
static_assert(wire_image<copy_range, 32>);
static_assert(offsetof(copy_range, slba) == 8);
static_assert(offsetof(copy_range, nlb) == 16);
static_assert(offsetof(copy_range, eilbrt) == 24);

/// NVM Express Base Specification 2.0, "Abort command". Its completion's `dw0` bit 0 is set where the command
/// was *not* aborted.
struct abort_view {
    const command& sqe;

    constexpr std::uint16_t sqid() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(sqe.cdw10.value())); }
    constexpr std::uint16_t cid() const noexcept { return static_cast<std::uint16_t>(bits<31, 16>(sqe.cdw10.value())); }
};

inline constexpr std::uint32_t abort_not_aborted = 1u << 0;  ///< in `dw0` of Abort's completion

}  // namespace causeway::nvme
