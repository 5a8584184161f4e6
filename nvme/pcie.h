// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"
#include "nvme/features.h"

// What NVM Express defines for controllers on PCI Express alone: queues in host memory, doorbells, PRPs. Register
// offsets and fields that fabrics have, too, are in properties.h.

namespace causeway::nvme {

/// Base class, sub-class and programming interface of an I/O controller. NVMe over PCIe Transport Specification 1.0,
/// "Class Code".
inline constexpr std::uint32_t pci_class_code = 0x010802;

/// Where doorbells begin in BAR 0. NVMe over PCIe Transport Specification 1.0, "PCI Express Specific Property
/// Definitions".
inline constexpr std::size_t doorbells_offset = 0x1000;

/// Byte offset in BAR 0 of the doorbell of queue `qid`; `dstrd` as in CAP.
constexpr std::size_t submission_doorbell(std::uint16_t qid, unsigned dstrd) noexcept {
    return doorbells_offset + (std::size_t{2} * qid) * (std::size_t{4} << dstrd);
}
constexpr std::size_t completion_doorbell(std::uint16_t qid, unsigned dstrd) noexcept {
    return doorbells_offset + (std::size_t{2} * qid + 1) * (std::size_t{4} << dstrd);
}

/// AQA: entries of both admin queues, 2 to 4096. NVM Express Base Specification 2.0, "Offset 24h: AQA".
constexpr std::uint32_t admin_queue_attributes(std::uint32_t submission, std::uint32_t completion) noexcept {
    return (completion - 1) << 16 | (submission - 1);
}

/// Sizes of queue entries as CC.IOSQES, CC.IOCQES and Identify Controller have them: 2^n bytes.
inline constexpr std::uint8_t submission_entry_shift = 6;
inline constexpr std::uint8_t completion_entry_shift = 4;
static_assert(sizeof(command) == 1u << submission_entry_shift && sizeof(completion) == 1u << completion_entry_shift);

/// Data Pointer with PRPs, over the 16 bytes of `command::sgl`. NVM Express Base Specification 2.0, "Physical Region
/// Page Entry and List".
struct prp_pointer {
    le64 prp1;  ///< may begin within a page, dword aligned
    le64 prp2;  ///< the second page, or a list of all pages from the second on
};
static_assert(wire_image<prp_pointer, 16>);
static_assert(offsetof(prp_pointer, prp2) == 8);

/// Create I/O Completion Queue. NVM Express Base Specification 2.0, "Create I/O Completion Queue command". PRP1 is the
/// queue's address.
struct create_cq_view {
    const command& sqe;

    constexpr std::uint16_t qid() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(sqe.cdw10.value())); }
    constexpr std::uint32_t entries() const noexcept { return bits<31, 16>(sqe.cdw10.value()) + 1; }
    constexpr bool contiguous() const noexcept { return bits<0, 0>(sqe.cdw11.value()) != 0; }
    constexpr bool interrupts() const noexcept { return bits<1, 1>(sqe.cdw11.value()) != 0; }
    constexpr std::uint16_t vector() const noexcept {
        return static_cast<std::uint16_t>(bits<31, 16>(sqe.cdw11.value()));
    }
};

/// Create I/O Submission Queue. NVM Express Base Specification 2.0, "Create I/O Submission Queue command". PRP1 is the
/// queue's address.
struct create_sq_view {
    const command& sqe;

    constexpr std::uint16_t qid() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(sqe.cdw10.value())); }
    constexpr std::uint32_t entries() const noexcept { return bits<31, 16>(sqe.cdw10.value()) + 1; }
    constexpr bool contiguous() const noexcept { return bits<0, 0>(sqe.cdw11.value()) != 0; }
    constexpr std::uint16_t cqid() const noexcept {
        return static_cast<std::uint16_t>(bits<31, 16>(sqe.cdw11.value()));
    }
};

/// Of Delete I/O Submission Queue and Delete I/O Completion Queue.
struct delete_queue_view {
    const command& sqe;

    constexpr std::uint16_t qid() const noexcept { return static_cast<std::uint16_t>(bits<15, 0>(sqe.cdw10.value())); }
};

inline constexpr std::uint32_t create_queue_contiguous = 1u << 0;      ///< PC, in `cdw11` of both
inline constexpr std::uint32_t create_cq_interrupts_enable = 1u << 1;  ///< IEN, in `cdw11`

/// Host Memory Buffer: `cdw11` of Set Features. NVM Express Base Specification 2.0, "Host Memory Buffer".
inline constexpr std::uint32_t host_memory_enable = 1u << 0;  ///< EHM
inline constexpr std::uint32_t host_memory_return = 1u << 1;  ///< MR: the same memory as before a reset

/// Sizes in HMPRE, HMMIN and HMMINDS of Identify Controller.
inline constexpr std::size_t host_memory_unit = 4096;

/// NVM Express Base Specification 2.0, "Host Memory Buffer Descriptor Entry".
struct host_memory_descriptor {
    le64 badd;   ///< address, a multiple of CC.MPS
    le32 bsize;  ///< in memory pages of CC.MPS
    std::uint8_t reserved12[4];
};
static_assert(wire_image<host_memory_descriptor, 16>);
static_assert(offsetof(host_memory_descriptor, bsize) == 8);

/// What an Asynchronous Event Request's completion says. NVM Express Base Specification 2.0, "Asynchronous Event
/// Request command".
struct async_event_view {
    std::uint32_t dw0;

    constexpr async_event_type type() const noexcept { return static_cast<async_event_type>(bits<2, 0>(dw0)); }
    constexpr std::uint8_t information() const noexcept { return static_cast<std::uint8_t>(bits<15, 8>(dw0)); }
    constexpr std::uint8_t log_page() const noexcept { return static_cast<std::uint8_t>(bits<23, 16>(dw0)); }
};

}  // namespace causeway::nvme
