// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "Power State Descriptor Data Structure".
struct power_state {
    le16 mp;  ///< maximum power, 0.01 W unless MXPS says 0.0001 W
    std::uint8_t reserved2;
    std::uint8_t flags;  ///< MXPS bit 0, NOPS bit 1
    le32 enlat;          ///< us
    le32 exlat;          ///< us
    std::uint8_t rrt;
    std::uint8_t rrl;
    std::uint8_t rwt;
    std::uint8_t rwl;
    le16 idlp;
    std::uint8_t ips;
    std::uint8_t reserved19;
    le16 actp;
    std::uint8_t apw_aps;
    std::uint8_t reserved23[9];
};
static_assert(wire_image<power_state, 32>);
static_assert(offsetof(power_state, enlat) == 4);
static_assert(offsetof(power_state, idlp) == 16);
static_assert(offsetof(power_state, actp) == 20);

/// CNS 01h. NVM Express Base Specification 2.0, "Identify Controller Data Structure, I/O Command Set
/// Independent". ASCII fields are padded with spaces, SUBNQN with NULs.
struct identify_controller {
    le16 vid;
    le16 ssvid;
    char sn[20];
    char mn[40];
    char fr[8];
    std::uint8_t rab;
    std::uint8_t ieee[3];  ///< OUI, low byte first
    std::uint8_t cmic;
    std::uint8_t mdts;  ///< largest transfer is 2^MDTS pages of CAP.MPSMIN; 0: no limit
    le16 cntlid;
    le32 ver;
    le32 rtd3r;
    le32 rtd3e;
    le32 oaes;
    le32 ctratt;
    le16 rrls;
    std::uint8_t reserved102[9];
    std::uint8_t cntrltype;
    std::uint8_t fguid[16];
    le16 crdt1;  ///< 100 ms
    le16 crdt2;  ///< 100 ms
    le16 crdt3;  ///< 100 ms
    std::uint8_t reserved134[119];
    std::uint8_t nvmsr;
    std::uint8_t vwci;
    std::uint8_t mec;
    le16 oacs;
    std::uint8_t acl;   ///< 0's based
    std::uint8_t aerl;  ///< 0's based
    std::uint8_t frmw;
    std::uint8_t lpa;
    std::uint8_t elpe;  ///< 0's based
    std::uint8_t npss;  ///< 0's based
    std::uint8_t avscc;
    std::uint8_t apsta;
    le16 wctemp;  ///< kelvin
    le16 cctemp;  ///< kelvin
    le16 mtfa;
    le32 hmpre;
    le32 hmmin;
    le128 tnvmcap;  ///< bytes
    le128 unvmcap;  ///< bytes
    le32 rpmbs;
    le16 edstt;
    std::uint8_t dsto;
    std::uint8_t fwug;
    le16 kas;  ///< granularity of the keep alive timer, 100 ms
    le16 hctma;
    le16 mntmt;
    le16 mxtmt;
    le32 sanicap;
    le32 hmminds;
    le16 hmmaxd;
    le16 nsetidmax;
    le16 endgidmax;
    std::uint8_t anatt;  ///< longest ANA transition, s
    std::uint8_t anacap;
    le32 anagrpmax;
    le32 nanagrpid;
    le32 pels;
    le16 domain_id;
    std::uint8_t reserved358[10];
    le128 megcap;
    std::uint8_t reserved384[2];
    le16 cqt;  ///< ms from the loss of a host until none of its commands has an effect; 0: not reported. Base 2.1
    std::uint8_t reserved388[124];
    std::uint8_t sqes;  ///< required size in bits 3:0, maximum in 7:4, as powers of two
    std::uint8_t cqes;  ///< likewise
    le16 maxcmd;        ///< most outstanding commands of one queue; 1's based
    le32 nn;
    le16 oncs;
    le16 fuses;
    std::uint8_t fna;
    std::uint8_t vwc;
    le16 awun;   ///< blocks, 0's based
    le16 awupf;  ///< blocks, 0's based
    std::uint8_t icsvscc;
    std::uint8_t nwpc;
    le16 acwu;  ///< blocks, 0's based
    le16 cdfs;  ///< copy descriptor formats
    le32 sgls;
    le32 mnan;
    le128 maxdna;
    le32 maxcna;
    std::uint8_t reserved564[204];
    char subnqn[256];
    std::uint8_t reserved1024[768];
    le32 ioccsz;  ///< command capsule of an I/O queue, 16 bytes
    le32 iorcsz;  ///< response capsule of an I/O queue, 16 bytes
    le16 icdoff;  ///< where in-capsule data starts after the SQE, 16 bytes
    std::uint8_t fcatt;
    std::uint8_t msdbd;  ///< most SGL data block descriptors of a command; 0: no limit
    le16 ofcs;
    std::uint8_t dctype;
    std::uint8_t reserved1807[241];
    power_state psd[32];
    std::uint8_t vendor_specific[1024];
};
static_assert(wire_image<identify_controller, 4096>);
static_assert(offsetof(identify_controller, sn) == 4);
static_assert(offsetof(identify_controller, mn) == 24);
static_assert(offsetof(identify_controller, fr) == 64);
static_assert(offsetof(identify_controller, ieee) == 73);
static_assert(offsetof(identify_controller, mdts) == 77);
static_assert(offsetof(identify_controller, cntlid) == 78);
static_assert(offsetof(identify_controller, ver) == 80);
static_assert(offsetof(identify_controller, oaes) == 92);
static_assert(offsetof(identify_controller, ctratt) == 96);
static_assert(offsetof(identify_controller, cntrltype) == 111);
static_assert(offsetof(identify_controller, crdt1) == 128);
static_assert(offsetof(identify_controller, nvmsr) == 253);
static_assert(offsetof(identify_controller, oacs) == 256);
static_assert(offsetof(identify_controller, lpa) == 261);
static_assert(offsetof(identify_controller, wctemp) == 266);
static_assert(offsetof(identify_controller, tnvmcap) == 280);
static_assert(offsetof(identify_controller, rpmbs) == 312);
static_assert(offsetof(identify_controller, kas) == 320);
static_assert(offsetof(identify_controller, sanicap) == 328);
static_assert(offsetof(identify_controller, nsetidmax) == 338);
static_assert(offsetof(identify_controller, anatt) == 342);
static_assert(offsetof(identify_controller, anacap) == 343);
static_assert(offsetof(identify_controller, anagrpmax) == 344);
static_assert(offsetof(identify_controller, nanagrpid) == 348);
static_assert(offsetof(identify_controller, domain_id) == 356);
static_assert(offsetof(identify_controller, megcap) == 368);
static_assert(offsetof(identify_controller, cqt) == 386);
static_assert(offsetof(identify_controller, sqes) == 512);
static_assert(offsetof(identify_controller, maxcmd) == 514);
static_assert(offsetof(identify_controller, nn) == 516);
static_assert(offsetof(identify_controller, oncs) == 520);
static_assert(offsetof(identify_controller, fuses) == 522);
static_assert(offsetof(identify_controller, vwc) == 525);
static_assert(offsetof(identify_controller, acwu) == 532);
static_assert(offsetof(identify_controller, sgls) == 536);
static_assert(offsetof(identify_controller, mnan) == 540);
static_assert(offsetof(identify_controller, maxcna) == 560);
static_assert(offsetof(identify_controller, subnqn) == 768);
static_assert(offsetof(identify_controller, ioccsz) == 1792);
static_assert(offsetof(identify_controller, iorcsz) == 1796);
static_assert(offsetof(identify_controller, icdoff) == 1800);
static_assert(offsetof(identify_controller, fcatt) == 1802);
static_assert(offsetof(identify_controller, msdbd) == 1803);
static_assert(offsetof(identify_controller, ofcs) == 1804);
static_assert(offsetof(identify_controller, dctype) == 1806);
static_assert(offsetof(identify_controller, psd) == 2048);
static_assert(offsetof(identify_controller, vendor_specific) == 3072);

// Bits of Identify Controller fields, named field_meaning.

inline constexpr std::uint8_t cmic_multi_port = 1 << 0;
inline constexpr std::uint8_t cmic_multi_controller = 1 << 1;
inline constexpr std::uint8_t cmic_sr_iov = 1 << 2;
inline constexpr std::uint8_t cmic_ana = 1 << 3;

inline constexpr std::uint32_t oaes_namespace_attribute = 1u << 8;
inline constexpr std::uint32_t oaes_firmware_activation = 1u << 9;
inline constexpr std::uint32_t oaes_ana_change = 1u << 11;
inline constexpr std::uint32_t oaes_normal_shutdown = 1u << 15;
inline constexpr std::uint32_t oaes_discovery_log_change = 1u << 31;

inline constexpr std::uint32_t ctratt_extended_host_id = 1u << 0;  ///< 128-bit host identifiers
inline constexpr std::uint32_t ctratt_tbkas = 1u << 6;             ///< traffic based keep alive
inline constexpr std::uint32_t ctratt_namespace_granularity = 1u << 7;
inline constexpr std::uint32_t ctratt_uuid_list = 1u << 9;
inline constexpr std::uint32_t ctratt_extended_lba_formats = 1u << 15;

/// CNTRLTYPE.
enum class controller_type : std::uint8_t { not_reported = 0, io = 1, discovery = 2, administrative = 3 };

/// DCTYPE.
enum class discovery_controller_type : std::uint8_t { not_reported = 0, direct = 1, central = 2 };

inline constexpr std::uint16_t oacs_security = 1 << 0;
inline constexpr std::uint16_t oacs_format_nvm = 1 << 1;
inline constexpr std::uint16_t oacs_firmware = 1 << 2;
inline constexpr std::uint16_t oacs_namespace_management = 1 << 3;
inline constexpr std::uint16_t oacs_device_self_test = 1 << 4;
inline constexpr std::uint16_t oacs_directives = 1 << 5;
inline constexpr std::uint16_t oacs_nvme_mi = 1 << 6;
inline constexpr std::uint16_t oacs_virtualization = 1 << 7;
inline constexpr std::uint16_t oacs_doorbell_buffer = 1 << 8;
inline constexpr std::uint16_t oacs_get_lba_status = 1 << 9;
inline constexpr std::uint16_t oacs_lockdown = 1 << 10;

inline constexpr std::uint8_t frmw_slot1_read_only = 1 << 0;
/// The number of slots, 1 to 7, in bits 3:1.
constexpr std::uint8_t frmw_slots(unsigned slots) noexcept {
    return static_cast<std::uint8_t>((slots & 7) << 1);
}

inline constexpr std::uint8_t lpa_smart_per_namespace = 1 << 0;
inline constexpr std::uint8_t lpa_commands_effects = 1 << 1;
inline constexpr std::uint8_t lpa_extended_data = 1 << 2;  ///< NUMDU, LPOL and LPOU of Get Log Page
inline constexpr std::uint8_t lpa_telemetry = 1 << 3;
inline constexpr std::uint8_t lpa_persistent_event = 1 << 4;
inline constexpr std::uint8_t lpa_supported_log_pages = 1 << 5;  ///< LIDs 00h, 12h and 13h

inline constexpr std::uint8_t anacap_optimized = 1 << 0;
inline constexpr std::uint8_t anacap_non_optimized = 1 << 1;
inline constexpr std::uint8_t anacap_inaccessible = 1 << 2;
inline constexpr std::uint8_t anacap_persistent_loss = 1 << 3;
inline constexpr std::uint8_t anacap_change = 1 << 4;
inline constexpr std::uint8_t anacap_anagrpid_static = 1 << 6;  ///< ANAGRPID of an attached namespace does not change
inline constexpr std::uint8_t anacap_nonzero_anagrpid = 1 << 7;

inline constexpr std::uint16_t oncs_compare = 1 << 0;
inline constexpr std::uint16_t oncs_write_uncorrectable = 1 << 1;
inline constexpr std::uint16_t oncs_dataset_management = 1 << 2;
inline constexpr std::uint16_t oncs_write_zeroes = 1 << 3;
inline constexpr std::uint16_t oncs_save_select = 1 << 4;  ///< Save of Set Features, Select of Get Features
inline constexpr std::uint16_t oncs_reservations = 1 << 5;
inline constexpr std::uint16_t oncs_timestamp = 1 << 6;
inline constexpr std::uint16_t oncs_verify = 1 << 7;
inline constexpr std::uint16_t oncs_copy = 1 << 8;

inline constexpr std::uint16_t cdfs_format_0 = 1 << 0;

inline constexpr std::uint16_t fuses_compare_and_write = 1 << 0;

inline constexpr std::uint8_t vwc_present = 1 << 0;
/// VWC bits 2:1: what Flush does with NSID FFFFFFFFh.
inline constexpr std::uint8_t vwc_flush_all_not_reported = 0 << 1;
inline constexpr std::uint8_t vwc_flush_all_not_supported = 2 << 1;
inline constexpr std::uint8_t vwc_flush_all_supported = 3 << 1;

/// SGLS bits 1:0: supported, without or with dword alignment and granularity.
inline constexpr std::uint32_t sgls_supported = 1;
inline constexpr std::uint32_t sgls_supported_dword_aligned = 2;
inline constexpr std::uint32_t sgls_keyed = 1u << 2;
inline constexpr std::uint32_t sgls_bit_bucket = 1u << 16;
inline constexpr std::uint32_t sgls_metadata_contiguous = 1u << 17;
inline constexpr std::uint32_t sgls_larger_than_transfer = 1u << 18;
inline constexpr std::uint32_t sgls_metadata_sgl = 1u << 19;
inline constexpr std::uint32_t sgls_address_offset = 1u << 20;  ///< in-capsule data by offset
inline constexpr std::uint32_t sgls_transport_data_block = 1u << 21;

inline constexpr std::uint8_t fcatt_static_controller = 1 << 0;
inline constexpr std::uint16_t ofcs_disconnect = 1 << 0;

/// CNS 06h with CSI 00h. NVM Command Set Specification 1.0, "I/O Command Set Specific Identify Controller Data
/// Structure". Size limits are powers of two of CAP.MPSMIN pages, 0: no limit.
struct identify_controller_nvm {
    std::uint8_t vsl;   ///< Verify
    std::uint8_t wzsl;  ///< Write Zeroes
    std::uint8_t wusl;  ///< Write Uncorrectable
    std::uint8_t dmrl;  ///< ranges of one Dataset Management; 0: no limit
    le32 dmrsl;         ///< blocks of one range; 0: no limit
    le64 dmsl;          ///< blocks of all ranges together; 0: no limit
    std::uint8_t reserved16[4080];
};
static_assert(wire_image<identify_controller_nvm, 4096>);
static_assert(offsetof(identify_controller_nvm, dmrl) == 3);
static_assert(offsetof(identify_controller_nvm, dmrsl) == 4);
static_assert(offsetof(identify_controller_nvm, dmsl) == 8);

}  // namespace causeway::nvme
