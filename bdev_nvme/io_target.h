// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace causeway::bdev_nvme {

/// What a queue pair needs to build commands for a namespace. Constant while I/O is in flight.
struct io_target {
    std::uint32_t nsid = 0;
    std::uint8_t block_shift = 9;
    /// PRINFO of reads and writes, where blocks have protection information that the controller itself makes, checks
    /// and strips; else 0.
    std::uint8_t prinfo = 0;
    bool reference_tags = false;  ///< of which the low half of the LBA is a part

    bool deallocates_zeroes = false;  ///< Write Zeroes may ask for it

    // The most blocks of one command.
    std::uint32_t max_blocks = 0;  ///< read, write, compare
    std::uint32_t max_zeroes_blocks = 0;
    std::uint32_t max_verify_blocks = 0;
    std::uint32_t max_unmap_blocks = 0;

    bool operator==(const io_target&) const = default;
};

}  // namespace causeway::bdev_nvme
