// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "bdev_nvme/data_pointer.h"
#include "bdev_nvme/io_target.h"
#include "nvme/identify.h"

#include <cstdint>
#include <optional>
#include <string>

namespace causeway::bdev_nvme {

// Interprets Identify data. The data is not trusted: inconsistent values are refused with a reason, and limits are
// reduced to what the driver supports. Pure.

/// Of a controller.
struct controller_info {
    std::uint16_t vendor = 0;
    std::uint16_t cntlid = 0;
    std::string serial_number, model_number, firmware_revision, subnqn;
    std::uint32_t version = 0;
    std::uint32_t max_bytes = 0;  ///< of one command's data
    sgl_support sgls = sgl_support::none;
    std::uint16_t oacs = 0;
    std::uint16_t oncs = 0;
    std::uint8_t cmic = 0;
    bool fused = false;  ///< Compare and Write
    bool volatile_write_cache = false;
    bool copy_format_0 = false;
    std::uint32_t oaes = 0;
    unsigned event_requests = 1;                 ///< AERL
    std::uint32_t namespaces = 0;                ///< NN
    std::uint32_t atomic_blocks = 1;             ///< AWUN
    std::uint32_t atomic_power_fail_blocks = 1;  ///< AWUPF
    std::uint32_t atomic_compare_blocks = 1;     ///< ACWU
    std::uint64_t host_memory_wanted = 0;        ///< bytes: HMPRE ...
    std::uint64_t host_memory_least = 0;         ///< ... and HMMIN
    std::uint64_t host_memory_piece = 0;         ///< least bytes of one descriptor; 0: any
    std::uint16_t host_memory_pieces = 0;        ///< most descriptors; 0: any number
    std::uint32_t shutdown_us = 0;               ///< RTD3E

    bool has(std::uint16_t oncs_bit) const noexcept { return oncs & oncs_bit; }
};

/// EIO: the data make no sense. `version`: VS.
core::result<controller_info> read_controller(const nvme::identify_controller& id, std::uint32_t version,
                                              const std::string& about);

/// Limits that CNS 06h adds; what a controller without it does not say is as for MDTS.
struct command_limits {
    std::uint64_t max_zeroes_bytes = 0;
    std::uint64_t max_verify_bytes = 0;
    std::uint32_t max_unmap_blocks = 0xffffffff;
};
command_limits read_limits(const controller_info& c, const nvme::identify_controller_nvm* id) noexcept;

/// Of a namespace.
struct namespace_info {
    std::uint32_t nsid = 0;
    bdev::device_geometry geometry;
    bdev::device_capabilities capabilities;
    io_target target;
    bdev::uuid id{};
    bool shared = false;
    std::uint16_t metadata_bytes = 0;  ///< of each block, made and checked by the controller
};

/// ENOENT (not active), ENOTSUP (a format that cannot be served, and which). `descriptors`: CNS 03h; nullptr: the
/// controller has none.
core::result<namespace_info> read_namespace(std::uint32_t nsid, const nvme::identify_namespace& id,
                                            const std::byte* descriptors, const controller_info& c,
                                            const command_limits& limits, const std::string& about);

}  // namespace causeway::bdev_nvme
