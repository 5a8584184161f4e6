// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Command Set Specification 1.0, "LBA Format Data Structure, NVM Command Set Specific".
struct lba_format {
    le16 ms;             ///< metadata, bytes per block
    std::uint8_t lbads;  ///< blocks of 2^LBADS bytes; 0: no format
    std::uint8_t rp;     ///< relative performance, bits 1:0; 0 is best
};
static_assert(wire_image<lba_format, 4>);
static_assert(offsetof(lba_format, lbads) == 2);

/// CNS 00h. NVM Command Set Specification 1.0, "Identify Namespace Data Structure, NVM Command Set Specific".
/// All zeroes for a namespace that is not active.
struct identify_namespace {
    le64 nsze;  ///< blocks
    le64 ncap;  ///< blocks
    le64 nuse;  ///< blocks
    std::uint8_t nsfeat;
    std::uint8_t nlbaf;  ///< 0's based
    std::uint8_t flbas;  ///< format index in bits 3:0 and 6:5, extended metadata in bit 4
    std::uint8_t mc;
    std::uint8_t dpc;
    std::uint8_t dps;
    std::uint8_t nmic;
    std::uint8_t rescap;
    std::uint8_t fpi;
    std::uint8_t dlfeat;
    le16 nawun;  ///< blocks, 0's based, as are those below unless they say otherwise
    le16 nawupf;
    le16 nacwu;
    le16 nabsn;
    le16 nabo;  ///< blocks, not 0's based
    le16 nabspf;
    le16 noiob;    ///< blocks, not 0's based
    le128 nvmcap;  ///< bytes
    le16 npwg;
    le16 npwa;
    le16 npdg;
    le16 npda;
    le16 nows;
    le16 mssrl;         ///< blocks of one source range of Copy, not 0's based
    le32 mcl;           ///< blocks of one Copy, not 0's based
    std::uint8_t msrc;  ///< source ranges of one Copy
    std::uint8_t reserved81[11];
    le32 anagrpid;
    std::uint8_t reserved96[3];
    std::uint8_t nsattr;
    le16 nvmsetid;
    le16 endgid;
    std::uint8_t nguid[16];  ///< big-endian
    std::uint8_t eui64[8];   ///< big-endian
    lba_format lbaf[64];
    std::uint8_t vendor_specific[3712];
};
static_assert(wire_image<identify_namespace, 4096>);
static_assert(offsetof(identify_namespace, nsfeat) == 24);
static_assert(offsetof(identify_namespace, flbas) == 26);
static_assert(offsetof(identify_namespace, nmic) == 30);
static_assert(offsetof(identify_namespace, rescap) == 31);
static_assert(offsetof(identify_namespace, dlfeat) == 33);
static_assert(offsetof(identify_namespace, nawun) == 34);
static_assert(offsetof(identify_namespace, noiob) == 46);
static_assert(offsetof(identify_namespace, nvmcap) == 48);
static_assert(offsetof(identify_namespace, npwg) == 64);
static_assert(offsetof(identify_namespace, nows) == 72);
static_assert(offsetof(identify_namespace, mssrl) == 74);
static_assert(offsetof(identify_namespace, mcl) == 76);
static_assert(offsetof(identify_namespace, msrc) == 80);
static_assert(offsetof(identify_namespace, anagrpid) == 92);
static_assert(offsetof(identify_namespace, nsattr) == 99);
static_assert(offsetof(identify_namespace, nguid) == 104);
static_assert(offsetof(identify_namespace, eui64) == 120);
static_assert(offsetof(identify_namespace, lbaf) == 128);
static_assert(offsetof(identify_namespace, vendor_specific) == 384);

// Bits of Identify Namespace fields.

inline constexpr std::uint8_t nsfeat_thin_provisioning = 1 << 0;
inline constexpr std::uint8_t nsfeat_atomic_fields = 1 << 1;  ///< NAWUN, NAWUPF and NACWU are valid
inline constexpr std::uint8_t nsfeat_dealloc_error = 1 << 2;
inline constexpr std::uint8_t nsfeat_uid_reuse = 1 << 3;
inline constexpr std::uint8_t nsfeat_optimal_io = 1 << 4;  ///< OPTPERF: NPWG, NPWA, NPDG, NPDA and NOWS are valid

inline constexpr std::uint8_t flbas_extended_metadata = 1 << 4;
inline constexpr std::uint8_t nmic_shared = 1 << 0;

inline constexpr std::uint8_t rescap_persist_through_power_loss = 1 << 0;
inline constexpr std::uint8_t rescap_write_exclusive = 1 << 1;
inline constexpr std::uint8_t rescap_exclusive_access = 1 << 2;
inline constexpr std::uint8_t rescap_write_exclusive_registrants_only = 1 << 3;
inline constexpr std::uint8_t rescap_exclusive_access_registrants_only = 1 << 4;
inline constexpr std::uint8_t rescap_write_exclusive_all_registrants = 1 << 5;
inline constexpr std::uint8_t rescap_exclusive_access_all_registrants = 1 << 6;
inline constexpr std::uint8_t rescap_ignore_existing_key = 1 << 7;

/// DLFEAT bits 2:0: what a read of a deallocated block returns.
constexpr std::uint8_t dlfeat_read(std::uint8_t dlfeat) noexcept {
    return dlfeat & 7;
}
inline constexpr std::uint8_t dlfeat_read_not_reported = 0;
inline constexpr std::uint8_t dlfeat_read_zeroes = 1;
inline constexpr std::uint8_t dlfeat_read_ones = 2;
inline constexpr std::uint8_t dlfeat_write_zeroes_deac = 1 << 3;
inline constexpr std::uint8_t dlfeat_guard_crc = 1 << 4;

inline constexpr std::uint8_t nsattr_write_protected = 1 << 0;

/// CNS 05h with CSI 00h. NVM Command Set Specification 1.0, "I/O Command Set Specific Identify Namespace Data
/// Structure".
struct identify_namespace_nvm {
    le64 lbstm;
    std::uint8_t pic;
    std::uint8_t reserved9[3];
    le32 elbaf[64];
    std::uint8_t reserved268[3828];
};
static_assert(wire_image<identify_namespace_nvm, 4096>);
static_assert(offsetof(identify_namespace_nvm, pic) == 8);
static_assert(offsetof(identify_namespace_nvm, elbaf) == 12);

/// CNS 08h. NVM Express Base Specification 2.0, "I/O Command Set Independent Identify Namespace Data
/// Structure".
struct identify_namespace_independent {
    std::uint8_t nsfeat;
    std::uint8_t nmic;
    std::uint8_t rescap;
    std::uint8_t fpi;
    le32 anagrpid;
    std::uint8_t nsattr;
    std::uint8_t reserved9;
    le16 nvmsetid;
    le16 endgid;
    std::uint8_t nstat;
    std::uint8_t reserved15[4081];
};
static_assert(wire_image<identify_namespace_independent, 4096>);
static_assert(offsetof(identify_namespace_independent, anagrpid) == 4);
static_assert(offsetof(identify_namespace_independent, nsattr) == 8);
static_assert(offsetof(identify_namespace_independent, nvmsetid) == 10);
static_assert(offsetof(identify_namespace_independent, nstat) == 14);

inline constexpr std::uint8_t nstat_ready = 1 << 0;

}  // namespace causeway::nvme
