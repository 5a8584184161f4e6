// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"
#include "core/result.h"
#include "transport/rdma/receive_credits.h"
#include "transport/rdma/verbs.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace causeway::rdma {

/// Receives of one core on one device: slots of a command and the in-capsule data behind it, and a shared receive queue
/// that they are posted to. How many each connection may have: receive_credits. Their memory grows by regions of a few
/// MiB as they are used, and stays.
///
/// A slot is in one of three places: spare, posted (or about to be), or held by a command. Lives on one core, but for
/// create() and make_region().
class receive_pool {
  public:
    struct statistics {
        core::counter posted;     ///< work requests
        core::counter doorbells;  ///< calls that posted them
        core::counter failed;     ///< calls that the device refused
    };

    /// May block. `capacity` receives at most, as the device allows. `index`: among its core's pools.
    static core::result<std::unique_ptr<receive_pool>> create(ibv_pd* pd, std::uint32_t index, std::uint32_t capacity,
                                                              std::uint32_t data_size, statistics& counters);

    /// What a connection claims before it has used any.
    static std::uint16_t first_claim(std::uint16_t depth) noexcept { return depth < 16 ? depth : std::uint16_t{16}; }

    bool has_room(std::uint32_t depth) const noexcept { return credits_.has_room(depth); }
    /// As receive_credits's. Receives that are missing then, and have memory, are posted with the next flush().
    void join(std::uint32_t depth, std::uint32_t claim);
    void raise(std::uint32_t more);
    void leave(std::uint32_t depth, std::uint32_t claim) noexcept { credits_.leave(depth, claim); }
    /// The slot is done with: it is posted again at the next flush(), or kept.
    void recycle(std::uint32_t slot) noexcept;

    /// There should be more slots in circulation than there is memory for: a region is to be made and added.
    bool needs_memory() const noexcept { return credits_.wanted() > slots_; }
    /// As many are missing as the cushion has: what connections claim may not be there.
    bool is_exhausted() const noexcept { return credits_.missing() >= credits_.cushion(); }
    core::result<registered_memory> make_region(ibv_pd* pd) const;  ///< may block
    void add(registered_memory region);

    /// Hands what is to be posted to the device in one go.
    void flush() noexcept;
    bool dirty() const noexcept { return !to_post_.empty(); }

    bool valid(std::uint32_t slot) const noexcept { return slot < slots_; }
    std::byte* command(std::uint32_t slot) const noexcept {
        return regions_[slot >> shift_].data() + std::size_t{slot & mask_} * stride_;
    }
    std::byte* data(std::uint32_t slot) const noexcept { return command(slot) + command_size; }
    std::uint32_t data_size() const noexcept { return data_size_; }
    std::uint32_t lkey(std::uint32_t slot) const noexcept { return regions_[slot >> shift_].lkey(); }
    ibv_srq* srq() const noexcept { return srq_.get(); }
    const receive_credits& credits() const noexcept { return credits_; }

    /// The device is gone: nothing is posted any more.
    void stop() noexcept;
    /// Gives back what the device has of it; the memory stays. May block. REQUIRES: stopped.
    void release_verbs() noexcept;

    static constexpr std::uint32_t command_size = 64;

  private:
    receive_pool(srq_ptr srq, std::uint32_t index, std::uint32_t capacity, std::uint32_t data_size, unsigned shift,
                 statistics& counters);
    void refill() noexcept;

    std::uint32_t index_;
    std::uint32_t data_size_;
    std::uint32_t stride_;
    unsigned shift_;  ///< of slots in a region, a power of two
    std::uint32_t mask_;
    std::uint32_t slots_ = 0;
    bool stopped_ = false;
    std::vector<registered_memory> regions_;
    srq_ptr srq_;  ///< goes before the memory
    receive_credits credits_;
    std::vector<std::uint32_t> spare_;  ///< reserved for all slots, like to_post_
    std::vector<std::uint32_t> to_post_;
    statistics& stats_;  ///< of all pools of its core
};

}  // namespace causeway::rdma
