#pragma once

#include "core/counter.h"
#include "core/result.h"
#include "transport/rdma/receive_ledger.h"
#include "transport/rdma/verbs.h"

#include <cstdint>
#include <span>
#include <vector>

namespace causeway::rdma {

/// The receives of one core on one device: slots of a command and the in-capsule data behind it, in one registered
/// region, and a shared receive queue that they are posted to. Who may have how many of them: receive_ledger.
///
/// A slot is in one of three places: spare, posted (or about to be), or held by who took it from a completion.
/// Lives on one core, but for create().
class receive_pool {
  public:
    /// May block. `capacity` slots at most, as the device allows.
    static core::result<receive_pool> create(ibv_pd* pd, srq_ptr srq, std::uint32_t capacity, std::uint32_t data_size);

    /// A connection brings `depth` receives. False: no room.
    [[nodiscard]] bool join(std::uint32_t depth);
    void leave(std::uint32_t depth) noexcept { ledger_.leave(depth); }
    /// The slot is done with: it is posted again at the next flush(), or kept.
    void recycle(std::uint32_t slot) noexcept;

    /// Hands what is to be posted to the device in one go.
    void flush() noexcept;
    bool dirty() const noexcept { return !to_post_.empty(); }

    bool valid(std::uint32_t slot) const noexcept { return slot < ledger_.capacity(); }
    std::byte* command(std::uint32_t slot) const noexcept { return memory_.data() + std::size_t{slot} * stride_; }
    std::byte* data(std::uint32_t slot) const noexcept { return command(slot) + command_size; }
    std::uint32_t data_size() const noexcept { return data_size_; }
    std::uint32_t lkey() const noexcept { return memory_.lkey(); }
    ibv_srq* srq() const noexcept { return srq_.get(); }
    const receive_ledger& ledger() const noexcept { return ledger_; }

    /// The device is gone: nothing is posted any more. May block; the memory stays.
    void release_verbs() noexcept;

    struct statistics {
        core::counter posted;     ///< work requests
        core::counter doorbells;  ///< calls that posted them
        core::counter failed;     ///< calls that the device refused
    };
    const statistics& stats() const noexcept { return *stats_; }

    static constexpr std::uint32_t command_size = 64;

  private:
    receive_pool(srq_ptr srq, registered_memory memory, std::uint32_t capacity, std::uint32_t data_size);

    std::uint32_t data_size_;
    std::uint32_t stride_;
    registered_memory memory_;
    srq_ptr srq_;
    receive_ledger ledger_;
    std::vector<std::uint32_t> spare_;  ///< reserved for all at creation, like to_post_
    std::vector<std::uint32_t> to_post_;
    std::unique_ptr<statistics> stats_ = std::make_unique<statistics>();
};

}  // namespace causeway::rdma
