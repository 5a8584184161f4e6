// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/placement.h"

namespace causeway::bdev {

/// A disk in memory.
///
/// All its I/O runs on its home reactor, one after the other: so reads, writes, copies and compare_and_writes are
/// atomic whatever their length, across all cores and hosts, and no two cores ever copy the same block. (Zeroing more
/// than a mebibyte takes several turns.) The price is a mailbox hop from other cores, and that one disk is as fast as
/// one core copies; several disks spread over the cores.
///
/// Memory is taken page by page as it is written, and released by unmap and write_zeroes. Plain memory, never a target
/// of DMA.
class memory_device final : public device {
  public:
    static constexpr std::uint32_t served = ops({op::read, op::write, op::flush, op::write_zeroes, op::unmap,
                                                 op::compare, op::compare_and_write, op::verify, op::copy});
    /// The longest compare_and_write it offers.
    static constexpr std::uint32_t atomic_bytes = 128 * 1024;
    /// The longest copy: some 50 µs, in one turn, so that a copy is as atomic as a write.
    static constexpr std::uint32_t copy_bytes = 256 * 1024;

    /// Control reactor. ENOMEM, EINVAL (a block size that is not a power of two from 512, no blocks).
    static core::result<std::shared_ptr<memory_device>> create(core::core_lease home, std::string name,
                                                               device_geometry g, uuid id);
    ~memory_device() override;

    std::string_view product_name() const noexcept override { return "Malloc disk"; }
    core::reactor* home() const noexcept override { return &lease_.home(); }

  private:
    memory_device(core::core_lease home, std::string name, device_geometry g, uuid id, std::byte* memory,
                  std::size_t bytes);
    void submit(io& i) noexcept override;

    // On the home reactor.
    void run(io& i) noexcept;
    void zero_piece(io& i) noexcept;
    void copy(const io& i) noexcept;
    void end(io& i, nvme::status s) noexcept;
    std::byte* at(std::uint64_t block) const noexcept { return memory_ + block * geometry().block_size; }

    const core::core_lease lease_;
    std::byte* const memory_;  ///< `bytes_` of blocks, then copy_bytes where copies are put together
    const std::size_t bytes_;
};

}  // namespace causeway::bdev
