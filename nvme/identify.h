#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/command.h"
#include "nvme/endian.h"

namespace causeway::nvme {

/// Controller or Namespace Structure. NVM Express Base Specification 2.0, "Identify command", CNS Values.
enum class cns : std::uint8_t {
    ns = 0x00,
    controller = 0x01,
    active_ns_list = 0x02,
    ns_id_descriptors = 0x03,
    nvm_set_list = 0x04,
    csi_ns = 0x05,         ///< namespace, specific to an I/O command set
    csi_controller = 0x06, ///< controller, specific to an I/O command set
    csi_active_ns_list = 0x07,
    ns_independent = 0x08, ///< namespace, independent of the I/O command set
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
    constexpr nvme::csi csi() const noexcept {
        return static_cast<nvme::csi>(bits<31, 24>(sqe.cdw11.value()));
    }
    constexpr std::uint8_t uuid_index() const noexcept {
        return static_cast<std::uint8_t>(bits<6, 0>(sqe.cdw14.value()));
    }
};

/// NVM Express Base Specification 2.0, "Power State Descriptor Data Structure".
struct power_state {
    le16 mp; ///< maximum power, 0.01 W unless MXPS says 0.0001 W
    std::uint8_t reserved2;
    std::uint8_t flags; ///< MXPS bit 0, NOPS bit 1
    le32 enlat;         ///< us
    le32 exlat;         ///< us
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
    std::uint8_t ieee[3]; ///< OUI, low byte first
    std::uint8_t cmic;
    std::uint8_t mdts; ///< largest transfer is 2^MDTS pages of CAP.MPSMIN; 0 is no limit
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
    le16 crdt1; ///< 100 ms
    le16 crdt2; ///< 100 ms
    le16 crdt3; ///< 100 ms
    std::uint8_t reserved134[119];
    std::uint8_t nvmsr;
    std::uint8_t vwci;
    std::uint8_t mec;
    le16 oacs;
    std::uint8_t acl;  ///< 0's based
    std::uint8_t aerl; ///< 0's based
    std::uint8_t frmw;
    std::uint8_t lpa;
    std::uint8_t elpe; ///< 0's based
    std::uint8_t npss; ///< 0's based
    std::uint8_t avscc;
    std::uint8_t apsta;
    le16 wctemp; ///< kelvin
    le16 cctemp; ///< kelvin
    le16 mtfa;
    le32 hmpre;
    le32 hmmin;
    le128 tnvmcap; ///< bytes
    le128 unvmcap; ///< bytes
    le32 rpmbs;
    le16 edstt;
    std::uint8_t dsto;
    std::uint8_t fwug;
    le16 kas; ///< granularity of the keep alive timer, 100 ms
    le16 hctma;
    le16 mntmt;
    le16 mxtmt;
    le32 sanicap;
    le32 hmminds;
    le16 hmmaxd;
    le16 nsetidmax;
    le16 endgidmax;
    std::uint8_t anatt; ///< longest ANA transition, s
    std::uint8_t anacap;
    le32 anagrpmax;
    le32 nanagrpid;
    le32 pels;
    le16 domain_id;
    std::uint8_t reserved358[10];
    le128 megcap;
    std::uint8_t reserved384[128];
    std::uint8_t sqes; ///< required size in bits 3:0, maximum in 7:4, as powers of two
    std::uint8_t cqes; ///< likewise
    le16 maxcmd;       ///< most outstanding commands of one queue; 1's based
    le32 nn;
    le16 oncs;
    le16 fuses;
    std::uint8_t fna;
    std::uint8_t vwc;
    le16 awun;  ///< blocks, 0's based
    le16 awupf; ///< blocks, 0's based
    std::uint8_t icsvscc;
    std::uint8_t nwpc;
    le16 acwu; ///< blocks, 0's based
    le16 cdfs; ///< copy descriptor formats
    le32 sgls;
    le32 mnan;
    le128 maxdna;
    le32 maxcna;
    std::uint8_t reserved564[204];
    char subnqn[256];
    std::uint8_t reserved1024[768];
    le32 ioccsz; ///< command capsule of an I/O queue, 16 bytes
    le32 iorcsz; ///< response capsule of an I/O queue, 16 bytes
    le16 icdoff; ///< where in-capsule data starts after the SQE, 16 bytes
    std::uint8_t fcatt;
    std::uint8_t msdbd; ///< most SGL data block descriptors of a command; 0 is no limit
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

inline constexpr std::uint32_t ctratt_extended_host_id = 1u << 0; ///< 128-bit host identifiers
inline constexpr std::uint32_t ctratt_tbkas = 1u << 6;            ///< traffic based keep alive
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
inline constexpr std::uint8_t lpa_extended_data = 1 << 2; ///< NUMDU, LPOL and LPOU of Get Log Page
inline constexpr std::uint8_t lpa_telemetry = 1 << 3;
inline constexpr std::uint8_t lpa_persistent_event = 1 << 4;
inline constexpr std::uint8_t lpa_supported_log_pages = 1 << 5; ///< LIDs 00h, 12h and 13h

inline constexpr std::uint8_t anacap_optimized = 1 << 0;
inline constexpr std::uint8_t anacap_non_optimized = 1 << 1;
inline constexpr std::uint8_t anacap_inaccessible = 1 << 2;
inline constexpr std::uint8_t anacap_persistent_loss = 1 << 3;
inline constexpr std::uint8_t anacap_change = 1 << 4;
inline constexpr std::uint8_t anacap_anagrpid_static =
    1 << 6; ///< ANAGRPID of an attached namespace does not change
inline constexpr std::uint8_t anacap_nonzero_anagrpid = 1 << 7;

inline constexpr std::uint16_t oncs_compare = 1 << 0;
inline constexpr std::uint16_t oncs_write_uncorrectable = 1 << 1;
inline constexpr std::uint16_t oncs_dataset_management = 1 << 2;
inline constexpr std::uint16_t oncs_write_zeroes = 1 << 3;
inline constexpr std::uint16_t oncs_save_select = 1 << 4; ///< Save of Set Features, Select of Get Features
inline constexpr std::uint16_t oncs_reservations = 1 << 5;
inline constexpr std::uint16_t oncs_timestamp = 1 << 6;
inline constexpr std::uint16_t oncs_verify = 1 << 7;
inline constexpr std::uint16_t oncs_copy = 1 << 8;

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
inline constexpr std::uint32_t sgls_address_offset = 1u << 20; ///< in-capsule data by offset
inline constexpr std::uint32_t sgls_transport_data_block = 1u << 21;

inline constexpr std::uint8_t fcatt_static_controller = 1 << 0;
inline constexpr std::uint16_t ofcs_disconnect = 1 << 0;

/// NVM Command Set Specification 1.0, "LBA Format Data Structure, NVM Command Set Specific".
struct lba_format {
    le16 ms;            ///< metadata, bytes per block
    std::uint8_t lbads; ///< blocks of 2^LBADS bytes; 0 is no format
    std::uint8_t rp;    ///< relative performance, bits 1:0; 0 is best
};
static_assert(wire_image<lba_format, 4>);
static_assert(offsetof(lba_format, lbads) == 2);

/// CNS 00h. NVM Command Set Specification 1.0, "Identify Namespace Data Structure, NVM Command Set Specific".
/// All zeroes for a namespace that is not active.
struct identify_namespace {
    le64 nsze; ///< blocks
    le64 ncap; ///< blocks
    le64 nuse; ///< blocks
    std::uint8_t nsfeat;
    std::uint8_t nlbaf; ///< 0's based
    std::uint8_t flbas; ///< format index in bits 3:0 and 6:5, extended metadata in bit 4
    std::uint8_t mc;
    std::uint8_t dpc;
    std::uint8_t dps;
    std::uint8_t nmic;
    std::uint8_t rescap;
    std::uint8_t fpi;
    std::uint8_t dlfeat;
    le16 nawun; ///< blocks, 0's based, as are those below unless they say otherwise
    le16 nawupf;
    le16 nacwu;
    le16 nabsn;
    le16 nabo; ///< blocks, not 0's based
    le16 nabspf;
    le16 noiob;   ///< blocks, not 0's based
    le128 nvmcap; ///< bytes
    le16 npwg;
    le16 npwa;
    le16 npdg;
    le16 npda;
    le16 nows;
    le16 mssrl;        ///< blocks of one source range of Copy, not 0's based
    le32 mcl;          ///< blocks of one Copy, not 0's based
    std::uint8_t msrc; ///< source ranges of one Copy
    std::uint8_t reserved81[11];
    le32 anagrpid;
    std::uint8_t reserved96[3];
    std::uint8_t nsattr;
    le16 nvmsetid;
    le16 endgid;
    std::uint8_t nguid[16]; ///< big-endian
    std::uint8_t eui64[8];  ///< big-endian
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
inline constexpr std::uint8_t nsfeat_atomic_fields = 1 << 1; ///< NAWUN, NAWUPF and NACWU are valid
inline constexpr std::uint8_t nsfeat_dealloc_error = 1 << 2;
inline constexpr std::uint8_t nsfeat_uid_reuse = 1 << 3;
inline constexpr std::uint8_t nsfeat_optimal_io =
    1 << 4; ///< OPTPERF: NPWG, NPWA, NPDG, NPDA and NOWS are valid

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
inline constexpr std::uint8_t dlfeat_read_not_reported = 0;
inline constexpr std::uint8_t dlfeat_read_zeroes = 1;
inline constexpr std::uint8_t dlfeat_read_ones = 2;
inline constexpr std::uint8_t dlfeat_write_zeroes_deac = 1 << 3;
inline constexpr std::uint8_t dlfeat_guard_crc = 1 << 4;

inline constexpr std::uint8_t nsattr_write_protected = 1 << 0;

/// NVM Express Base Specification 2.0, "Namespace Identification Descriptor", NIDT.
enum class nidt : std::uint8_t { eui64 = 1, nguid = 2, uuid = 3, csi = 4 };

/// Length of the identifier after a descriptor header of this type.
constexpr std::uint8_t nid_bytes(nidt type) noexcept {
    switch (type) {
    case nidt::eui64:
        return 8;
    case nidt::nguid:
    case nidt::uuid:
        return 16;
    case nidt::csi:
        return 1;
    }
    return 0;
}

/// CNS 03h is a run of these, each followed by `nidl` bytes; a `type` of 0 ends it.
/// NVM Express Base Specification 2.0, "Namespace Identification Descriptor".
struct ns_id_descriptor_header {
    std::uint8_t type; ///< NIDT
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

/// CNS 06h with CSI 00h. NVM Command Set Specification 1.0, "I/O Command Set Specific Identify Controller
/// Data Structure". Size limits are powers of two of CAP.MPSMIN pages, 0 is no limit.
struct identify_controller_nvm {
    std::uint8_t vsl;  ///< Verify
    std::uint8_t wzsl; ///< Write Zeroes
    std::uint8_t wusl; ///< Write Uncorrectable
    std::uint8_t dmrl; ///< ranges of one Dataset Management; 0 is no limit
    le32 dmrsl;        ///< blocks of one range; 0 is no limit
    le64 dmsl;         ///< blocks of all ranges together; 0 is no limit
    std::uint8_t reserved16[4080];
};
static_assert(wire_image<identify_controller_nvm, 4096>);
static_assert(offsetof(identify_controller_nvm, dmrl) == 3);
static_assert(offsetof(identify_controller_nvm, dmrsl) == 4);
static_assert(offsetof(identify_controller_nvm, dmsl) == 8);

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

/// CNS 1Ch: each combination has a bit per CSI value. NVM Express Base Specification 2.0, "Identify I/O
/// Command Set data structure".
struct command_set_combinations {
    le64 vector[512];
};
static_assert(wire_image<command_set_combinations, 4096>);

} // namespace causeway::nvme
