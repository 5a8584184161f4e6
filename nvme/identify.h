// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"
#include "nvme/identify_controller.h"
#include "nvme/identify_namespace.h"

namespace causeway::nvme {

/// Controller or Namespace Structure. NVM Express Base Specification 2.0, "Identify command", CNS Values.
enum class cns : std::uint8_t {
    ns = 0x00,
    controller = 0x01,
    active_ns_list = 0x02,
    ns_id_descriptors = 0x03,
    nvm_set_list = 0x04,
    csi_ns = 0x05,          ///< namespace, specific to an I/O command set
    csi_controller = 0x06,  ///< controller, specific to an I/O command set
    csi_active_ns_list = 0x07,
    ns_independent = 0x08,  ///< namespace, independent of the I/O command set
    ns_format = 0x09,
    csi_ns_format = 0x0a,
    allocated_ns_list = 0x10,
    allocated_ns = 0x11,
    ns_controller_list = 0x12,
    controller_list = 0x13,
    primary_controller_capabilities = 0x14,
    secondary_controller_list = 0x15,
    ns_granularity_list = 0x16,
    uuid_list = 0x17,
    domain_list = 0x18,
    endurance_group_list = 0x19,
    csi_allocated_ns_list = 0x1a,
    csi_allocated_ns = 0x1b,
    command_set_combinations = 0x1c,
};

/// I/O Command Set Identifier. NVM Express Base Specification 2.0, "I/O Command Set Identifier (CSI)".
enum class csi : std::uint8_t { nvm = 0x00, key_value = 0x01, zoned = 0x02 };

/// Every Identify command returns so much.
inline constexpr std::size_t identify_bytes = 4096;

/// NVM Express Base Specification 2.0, "Identify command".
struct identify_view {
    const command& sqe;

    constexpr nvme::cns cns() const noexcept { return static_cast<nvme::cns>(bits<7, 0>(sqe.cdw10.value())); }
    constexpr std::uint16_t cntid() const noexcept {
        return static_cast<std::uint16_t>(bits<31, 16>(sqe.cdw10.value()));
    }
    /// CNS specific identifier: NVM set, domain or endurance group.
    constexpr std::uint16_t cns_specific() const noexcept {
        return static_cast<std::uint16_t>(bits<15, 0>(sqe.cdw11.value()));
    }
    constexpr nvme::csi csi() const noexcept { return static_cast<nvme::csi>(bits<31, 24>(sqe.cdw11.value())); }
    constexpr std::uint8_t uuid_index() const noexcept {
        return static_cast<std::uint8_t>(bits<6, 0>(sqe.cdw14.value()));
    }
};

/// NVM Express Base Specification 2.0, "Namespace Identification Descriptor", NIDT.
enum class nidt : std::uint8_t { eui64 = 1, nguid = 2, uuid = 3, csi = 4 };

/// Length of the identifier after a descriptor header of this type.
constexpr std::uint8_t nid_bytes(nidt type) noexcept {
    switch (type) {
    case nidt::eui64: return 8;
    case nidt::nguid:
    case nidt::uuid: return 16;
    case nidt::csi: return 1;
    }
    return 0;
}

/// CNS 03h is a run of these, each followed by `nidl` bytes; a `type` of 0 ends it.
/// NVM Express Base Specification 2.0, "Namespace Identification Descriptor".
struct ns_id_descriptor_header {
    std::uint8_t type;  ///< NIDT
    std::uint8_t nidl;
    std::uint8_t reserved2[2];
};
static_assert(wire_image<ns_id_descriptor_header, 4>);

/// CNS 02h, 07h, 10h and 1Ah: ascending, ended by 0 unless full. NVM Express Base Specification 2.0,
/// "Namespace List".
struct namespace_list {
    le32 nsid[1024];
};
static_assert(wire_image<namespace_list, 4096>);

/// CNS 12h and 13h. NVM Express Base Specification 2.0, "Controller List".
struct controller_list {
    le16 count;
    le16 cntlid[2047];
};
static_assert(wire_image<controller_list, 4096>);

/// CNS 1Ch: each combination has a bit per CSI value. NVM Express Base Specification 2.0, "Identify I/O
/// Command Set data structure".
struct command_set_combinations {
    le64 vector[512];
};
static_assert(wire_image<command_set_combinations, 4096>);

}  // namespace causeway::nvme
