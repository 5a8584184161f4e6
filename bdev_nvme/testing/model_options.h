// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/identify_controller.h"
#include "nvme/identify_namespace.h"
#include "nvme/properties.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// A namespace of the model. Counts are of blocks, and as the wire has them.
struct model_namespace {
    std::uint32_t nsid = 0;  ///< 0: the one after the last
    std::uint64_t blocks = 2048;
    std::uint8_t lbads = 9;
    std::uint16_t metadata_bytes = 0;
    bool extended = false;  ///< metadata behind each block's data, not in a buffer of its own
    std::uint8_t dps = 0;   ///< announced; the model keeps protection information and does not check it
    bool write_protected = false;
    std::uint8_t dlfeat = nvme::dlfeat_read_zeroes;
    bool atomic_fields = false;  ///< the next three are valid
    std::uint16_t nawun = 0, nawupf = 0, nacwu = 0;
    std::uint16_t nabsn = 0, nabo = 0, nabspf = 0;
    std::uint16_t noiob = 0;
    bool optimal_io = false;  ///< the next five are valid
    std::uint16_t npwg = 0, npwa = 0, npdg = 0, npda = 0, nows = 0;
    std::uint16_t mssrl = 128;
    std::uint32_t mcl = 1024;
    std::uint8_t msrc = 15;
    std::array<std::uint8_t, 16> nguid{};
    std::array<std::uint8_t, 8> eui64{};
    std::array<std::uint8_t, 16> uuid{};
};

/// What an earlier owner left.
enum class left_behind : std::uint8_t {
    nothing,    ///< CC.EN = 0
    enabled,    ///< CC.EN = 1, CSTS.RDY = 1
    enabling,   ///< CC.EN = 1, CSTS.RDY follows
    fatal,      ///< CC.EN = 1, CSTS.RDY = 1, CSTS.CFS = 1
    shut_down,  ///< CC.EN = 1, CSTS.RDY = 1, CSTS.SHST: complete
};

struct model_options {
    std::string address = "0000:00:04.0";
    int numa_node = -1;
    bool reaches_everything =
        true;  ///< no: a command that names memory outside of `controller_model::memory()` counts as an IOMMU's fault

    // CAP and VS
    std::uint32_t version = nvme::version(1, 4);
    std::uint16_t mqes = 1023;  ///< 0's based
    bool cqr = true;
    std::uint8_t to = 20;
    std::uint8_t dstrd = 0;
    std::uint8_t mpsmin = 0, mpsmax = 4;
    std::uint8_t css = nvme::cap::css_nvm;

    // Identify Controller
    std::string serial = "CWMODEL0001", model = "Causeway controller model", firmware = "1.0";
    std::uint16_t cntlid = 1;
    std::uint8_t mdts = 5;  ///< 2^mdts pages of 2^(12 + mpsmin) bytes; 0: no limit
    std::uint32_t nn = 0;   ///< 0: the highest nsid
    std::uint16_t oncs = nvme::oncs_compare | nvme::oncs_dataset_management | nvme::oncs_write_zeroes |
                         nvme::oncs_save_select | nvme::oncs_verify | nvme::oncs_copy;
    std::uint16_t fuses = nvme::fuses_compare_and_write;
    std::uint16_t oacs = 0;
    std::uint32_t oaes = nvme::oaes_namespace_attribute;
    std::uint32_t sgls = 0;
    std::uint8_t vwc = nvme::vwc_present | nvme::vwc_flush_all_supported;
    std::uint16_t awun = 0, awupf = 0, acwu = 0;
    std::uint8_t acl = 3, aerl = 3;  ///< 0's based
    std::uint8_t lpa = nvme::lpa_commands_effects | nvme::lpa_extended_data;
    std::uint32_t hmpre = 0, hmmin = 0, hmminds = 0;  ///< units of 4 KiB
    std::uint16_t hmmaxd = 0;
    std::uint16_t wctemp = 343, cctemp = 353;  ///< kelvin
    std::uint32_t rtd3e = 0;                   ///< microseconds
    std::uint8_t vsl = 0, wzsl = 0, dmrl = 0;
    std::uint32_t dmrsl = 0;
    std::uint64_t dmsl = 0;

    /// I/O queues of each kind, at most. Number of Queues grants so many.
    std::uint16_t queues = 8;
    std::vector<model_namespace> namespaces = {model_namespace{}};

    left_behind before = left_behind::nothing;
    unsigned steps_until_ready = 2;
    unsigned steps_until_disabled = 2;
    unsigned steps_until_shut_down = 2;
    /// With shadow doorbells: steps without work until a queue waits for its doorbell.
    unsigned steps_until_asleep = 2;

    /// No: reads and writes end without a look at data, for benchmarks.
    bool keeps_data = true;
};

}  // namespace causeway::bdev_nvme::testing
