// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/health.h"
#include "bdev/io.h"
#include "bdev/rate_limits.h"
#include "bdev/statistics.h"
#include "bdev/uuid.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::bdev {

/// What a host may assume about a device. Offsets and lengths are in blocks unless stated otherwise.
struct device_geometry {
    std::uint32_t block_size = 4096;  ///< bytes, a power of two from 512
    std::uint64_t blocks = 0;
    std::uint32_t physical_block_size = 0;  ///< bytes; 0: the block size
    std::uint32_t optimal_write_blocks = 0;
    std::uint32_t unmap_granularity_blocks = 0;
    std::uint32_t unmap_alignment_blocks = 0;
    std::uint32_t atomic_compare_and_write_blocks = 1;  ///< the longest compare_and_write
    std::uint32_t write_granularity_blocks = 0;         ///< 0: one block, or the physical block
    std::uint32_t write_alignment_blocks = 0;
    std::uint32_t atomic_write_blocks = 0;  ///< the longest write that no read sees half of; 0: a physical block
    std::uint32_t atomic_write_power_fail_blocks =
        0;                                     ///< the longest that a loss of power leaves whole or undone; 0: likewise
    std::uint32_t atomic_boundary_blocks = 0;  ///< what crosses a multiple of it is not atomic; 0: it has none
    std::uint32_t optimal_io_boundary_blocks = 0;  ///< I/O that crosses a multiple of it is slower; 0: no matter
    std::uint32_t copy_source_blocks = 0;          ///< op::copy: the longest single source
    std::uint32_t copy_blocks = 0;                 ///< op::copy: the most altogether
    std::uint32_t copy_sources = 0;                ///< op::copy: how many sources

    bool operator==(const device_geometry&) const = default;
};

struct device_capabilities {
    std::uint32_t ops = 0;  ///< bit n: op n is served
    bool read_only = false;
    bool volatile_write_cache = false;
    bool unmap_reads_zeroes = false;  ///< each block that unmap has deallocated reads as zeroes until it is written
    bool write_zeroes_deallocates = false;  ///< write_zeroes keeps to io::deallocate
    bool supports(op o) const noexcept { return ops >> static_cast<unsigned>(o) & 1; }

    bool operator==(const device_capabilities&) const = default;
};
constexpr std::uint32_t ops(std::initializer_list<op> list) noexcept {
    std::uint32_t bits = 0;
    for (op o : list)
        bits |= 1u << static_cast<unsigned>(o);
    return bits;
}

/// How a namespace is notified about its device. Called on the control reactor.
class observer {
  public:
    virtual ~observer() = default;
    virtual void resized(device& d, std::uint64_t blocks) = 0;
    /// medium_health() has another critical warning than before.
    virtual void health_changed(device&) {}
    /// rate_limits() are others than before. Ends when they hold on every core.
    virtual core::task<> rate_limits_changed(device&) { co_return; }
    /// The device is being removed: release the claim as soon as none of your I/O is in flight on it.
    virtual void removed(device& d) = 0;
};

/// A block device: the contract between namespaces and back ends.
///
/// Made, listed and removed on the control reactor; start() on any reactor. Held by shared_ptr; destroyed on the
/// control reactor when no reference is left and close() has ended.
class device {
  public:
    device(core::reactor_group& group, std::string name, device_geometry g, device_capabilities c, uuid id);
    virtual ~device();
    device(const device&) = delete;
    device& operator=(const device&) = delete;

    // What it is. Constant, but for the size.
    const std::string& name() const noexcept { return name_; }
    const std::vector<std::string>& aliases() const noexcept { return aliases_; }
    const uuid& id() const noexcept { return id_; }
    const device_geometry& geometry() const noexcept { return geometry_; }  ///< `blocks` as of creation: see blocks()
    std::uint64_t blocks() const noexcept { return blocks_.load(std::memory_order_relaxed); }  ///< any thread
    const device_capabilities& capabilities() const noexcept { return capabilities_; }
    virtual std::string_view product_name() const noexcept = 0;  ///< "Ceph Rbd Disk"
    /// The reactor that submits for this device; nullptr if each does its own.
    virtual core::reactor* home() const noexcept { return nullptr; }
    /// Control reactor. The health of the medium, as it was read last; nullptr: unknown. All devices on one medium
    /// return the same object, so that its errors are not counted twice.
    virtual const health* medium_health() const noexcept { return nullptr; }

    /// Control reactor. How many blocks are allocated, as counted last: not less than there were then, and about a
    /// minute old at the most. Nothing: the device does not count. Never waits; it may begin to count again.
    virtual std::optional<std::uint64_t> allocated_blocks() { return std::nullopt; }

    /// Any reactor. The ranges are checked here, those that op::copy reads too (a shrink may have come between): a bad
    /// one ends with LBA Out of Range, one that geometry has a limit for with Atomic Write Unit Exceeded or Command
    /// Size Limit Exceeded. An operation that the device cannot do ends with Invalid Opcode, or Namespace is Write
    /// Protected. Completes on this reactor, exactly once, maybe before start() returns.
    void start(io& i) noexcept;

    /// Control reactor. Stops the back end; ends when it holds no I/O any more and everything is released.
    /// REQUIRES: start() is not called any more.
    virtual core::task<> close() { co_await drained(); }

    /// I/Os started and not completed. Any thread; 0 is exact once start() is not called any more.
    std::uint64_t in_flight() const noexcept;

    // Control reactor: who uses it.
    core::result<> claim(observer& by);  ///< EBUSY: it is claimed already
    void release(observer& by) noexcept;
    observer* claimed_by() const noexcept { return claimed_by_; }
    /// Ends when it is not claimed. One waiter at a time.
    core::task<> unclaimed();

    /// Control reactor. What whoever has claimed it may start of I/O; the claimant keeps to it, not the device.
    const rate_limits& limits() const noexcept { return limits_; }
    /// Control reactor. Ends when they hold.
    core::task<> set_limits(rate_limits limits);

    device_statistics& stats() noexcept { return stats_; }
    const device_statistics& stats() const noexcept { return stats_; }

    core::reactor_group& group() const noexcept { return group_; }

    /// Control reactor: the size has changed; notifies the observer.
    void set_blocks(std::uint64_t blocks);
    /// Control reactor: the critical warning of medium_health() has changed; notifies the observer.
    void announce_health();
    /// Control reactor: the device is about to be removed; notifies the observer.
    void announce_removal();

  protected:
    /// On the reactor that issued the I/O. Must lead to one complete() there.
    virtual void submit(io& i) noexcept = 0;
    void add_alias(std::string alias) { aliases_.push_back(std::move(alias)); }
    /// Control reactor: ends when in_flight() is 0 and every core has left the completion of its last I/O. Once at a
    /// time.
    /// REQUIRES: start() is not called any more.
    core::task<> drained();

  private:
    friend struct io;
    nvme::status check(const io& i) const noexcept;
    nvme::status check_limits(const io& i) const noexcept;
    bool holds(std::uint64_t offset_blocks, std::uint64_t length_blocks) const noexcept;
    void count(const io& i) noexcept;

    core::reactor_group& group_;
    const std::string name_;
    std::vector<std::string> aliases_;
    const uuid id_;
    const device_geometry geometry_;
    std::atomic<std::uint64_t> blocks_;
    const device_capabilities capabilities_;
    device_statistics stats_;
    rate_limits limits_;
    observer* claimed_by_ = nullptr;
    core::one_shot<bool>* waiting_for_release_ = nullptr;
};

}  // namespace causeway::bdev
