// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/discovery.h"
#include "nvme/endian.h"
#include "nvme/nqn.h"
#include "nvme/rdma.h"
#include "nvme/sgl.h"

namespace causeway::nvme {

/// Fabrics Command Type, byte 4 of a command with opcode 7Fh. NVMe over Fabrics 1.1, "Fabrics Commands".
enum class fctype : std::uint8_t {
    property_set = 0x00,
    connect = 0x01,
    property_get = 0x04,
    authentication_send = 0x05,
    authentication_receive = 0x06,
    disconnect = 0x08,
};

/// CNTLID at Connect that asks for any controller: the dynamic controller model.
inline constexpr std::uint16_t cntlid_dynamic = 0xffff;
/// CNTLID at Connect of a static controller model host that takes any controller.
inline constexpr std::uint16_t cntlid_any_static = 0xfffe;
/// FFF0h to FFFFh are reserved.
inline constexpr std::uint16_t cntlid_max = 0xffef;

/// What every fabrics command has in common. NVMe over Fabrics 1.1, "Fabrics Command Capsule".
struct fabrics_command {
    std::uint8_t opcode;  ///< fabrics_opcode
    std::uint8_t flags;   ///< PSDT in bits 7:6
    le16 cid;
    std::uint8_t type;  ///< FCTYPE
    std::uint8_t reserved5[19];
    sgl_descriptor sgl;  ///< reserved where no data moves
    std::uint8_t specific[24];

    constexpr nvme::fctype fctype() const noexcept { return static_cast<nvme::fctype>(type); }
};
static_assert(wire_image<fabrics_command, 64>);
static_assert(offsetof(fabrics_command, type) == 4);
static_assert(offsetof(fabrics_command, sgl) == 24);
static_assert(offsetof(fabrics_command, specific) == 40);

/// NVMe over Fabrics 1.1, "Connect Command".
struct connect_command {
    std::uint8_t opcode;
    std::uint8_t flags;
    le16 cid;
    std::uint8_t type;
    std::uint8_t reserved5[19];
    sgl_descriptor sgl;
    le16 recfmt;  ///< 0
    le16 qid;     ///< 0 is the admin queue
    le16 sqsize;  ///< 0's based
    std::uint8_t cattr;
    std::uint8_t reserved47;
    le32 kato;  ///< ms, admin queue only; 0 turns the keep alive timer off
    std::uint8_t reserved52[12];
};
static_assert(wire_image<connect_command, 64>);
static_assert(offsetof(connect_command, type) == 4);
static_assert(offsetof(connect_command, sgl) == 24);
static_assert(offsetof(connect_command, recfmt) == 40);
static_assert(offsetof(connect_command, qid) == 42);
static_assert(offsetof(connect_command, sqsize) == 44);
static_assert(offsetof(connect_command, cattr) == 46);
static_assert(offsetof(connect_command, kato) == 48);

constexpr bool is_connect(const command& c) noexcept {
    return c.opcode == fabrics_opcode && std::bit_cast<fabrics_command>(c).fctype() == fctype::connect;
}

inline constexpr std::uint8_t cattr_priority_mask = 0x03;
inline constexpr std::uint8_t cattr_disable_sq_flow_control = 1 << 2;
inline constexpr std::uint8_t cattr_io_queue_deletion = 1 << 3;  ///< the host supports Disconnect

/// NVMe over Fabrics 1.1, "Connect Command - Data".
struct connect_data {
    std::uint8_t hostid[16];
    le16 cntlid;
    std::uint8_t reserved18[238];
    char subnqn[256];   ///< NUL terminated, if the host keeps to the rules
    char hostnqn[256];  ///< likewise
    std::uint8_t reserved768[256];
};
static_assert(wire_image<connect_data, 1024>);
static_assert(offsetof(connect_data, cntlid) == 16);
static_assert(offsetof(connect_data, subnqn) == 256);
static_assert(offsetof(connect_data, hostnqn) == 512);

/// `dw0` of a successful Connect. NVMe over Fabrics 1.1, "Connect Response".
struct connect_response {
    le16 cntlid;
    le16 authreq;
};
static_assert(wire_image<connect_response, 4>);

inline constexpr std::uint16_t authreq_in_band = 1 << 1;         ///< ATR: authentication transactions required
inline constexpr std::uint16_t authreq_secure_channel = 1 << 2;  ///< ASCR: and a secure channel made from them

constexpr std::uint32_t connect_success_dw0(std::uint16_t cntlid, std::uint16_t authreq = 0) noexcept {
    return std::uint32_t{authreq} << 16 | cntlid;
}

/// Where the field is that Connect Invalid Parameters complains about.
enum class iattr : std::uint8_t { command = 0, data = 1 };

/// `dw0` with status Connect Invalid Parameters. `ipo` is the byte offset of the field in the command or in
/// the data. NVMe over Fabrics 1.1, "Connect Response".
constexpr std::uint32_t connect_invalid_dw0(nvme::iattr attribute, std::uint16_t ipo) noexcept {
    return std::uint32_t{to_underlying(attribute)} << 16 | ipo;
}

/// Property size in ATTRIB bits 2:0 of Property Get and Property Set.
enum class property_size : std::uint8_t { bytes4 = 0, bytes8 = 1 };

/// NVMe over Fabrics 1.1, "Property Get Command". The value returns in `completion::result64()`.
struct property_get_command {
    std::uint8_t opcode;
    std::uint8_t flags;
    le16 cid;
    std::uint8_t type;
    std::uint8_t reserved5[35];
    std::uint8_t attrib;
    std::uint8_t reserved41[3];
    le32 ofst;
    std::uint8_t reserved48[16];

    constexpr property_size size() const noexcept { return static_cast<property_size>(attrib & 7); }
};
static_assert(wire_image<property_get_command, 64>);
static_assert(offsetof(property_get_command, attrib) == 40);
static_assert(offsetof(property_get_command, ofst) == 44);

/// NVMe over Fabrics 1.1, "Property Set Command".
struct property_set_command {
    std::uint8_t opcode;
    std::uint8_t flags;
    le16 cid;
    std::uint8_t type;
    std::uint8_t reserved5[35];
    std::uint8_t attrib;
    std::uint8_t reserved41[3];
    le32 ofst;
    le64 value;
    std::uint8_t reserved56[8];

    constexpr property_size size() const noexcept { return static_cast<property_size>(attrib & 7); }
};
static_assert(wire_image<property_set_command, 64>);
static_assert(offsetof(property_set_command, attrib) == 40);
static_assert(offsetof(property_set_command, ofst) == 44);
static_assert(offsetof(property_set_command, value) == 48);

/// NVMe over Fabrics 1.1, "Disconnect Command".
struct disconnect_command {
    std::uint8_t opcode;
    std::uint8_t flags;
    le16 cid;
    std::uint8_t type;
    std::uint8_t reserved5[35];
    le16 recfmt;  ///< 0
    std::uint8_t reserved42[22];
};
static_assert(wire_image<disconnect_command, 64>);
static_assert(offsetof(disconnect_command, recfmt) == 40);

/// NVMe over Fabrics 1.1, "Authentication Send Command" and "Authentication Receive Command".
struct authentication_command {
    std::uint8_t opcode;
    std::uint8_t flags;
    le16 cid;
    std::uint8_t type;
    std::uint8_t reserved5[19];
    sgl_descriptor sgl;
    std::uint8_t reserved40;
    std::uint8_t spsp0;  ///< 1
    std::uint8_t spsp1;  ///< 1
    std::uint8_t secp;   ///< secp_nvme
    le32 length;         ///< bytes: TL of Send, AL of Receive
    std::uint8_t reserved48[16];
};
static_assert(wire_image<authentication_command, 64>);
static_assert(offsetof(authentication_command, spsp0) == 41);
static_assert(offsetof(authentication_command, secp) == 43);
static_assert(offsetof(authentication_command, length) == 44);

/// Security protocol assigned to NVMe.
inline constexpr std::uint8_t secp_nvme = 0xe9;

}  // namespace causeway::nvme
