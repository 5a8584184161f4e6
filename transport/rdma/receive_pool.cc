// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/receive_pool.h"

#include "core/log.h"
#include "transport/rdma/wr_id.h"

#include <algorithm>
#include <array>
#include <bit>

namespace causeway::rdma {

namespace {

constexpr std::size_t region_bytes = 4u << 20;

/// Slots of a region, as a power of two: of a few MiB, and no more than are ever wanted.
unsigned region_shift(std::uint32_t capacity, std::uint32_t stride) noexcept {
    constexpr std::size_t least = 16, most = 1024;
    const std::size_t fit = std::bit_floor(std::clamp(region_bytes / stride, least, most));
    return static_cast<unsigned>(std::countr_zero(std::min(fit, std::bit_ceil(std::size_t{capacity}))));
}

}  // namespace

core::result<std::unique_ptr<receive_pool>> receive_pool::create(ibv_pd* pd, std::uint32_t index,
                                                                 std::uint32_t capacity, std::uint32_t data_size,
                                                                 statistics& counters) {
    ibv_srq_init_attr attributes{.attr = {.max_wr = capacity, .max_sge = 1, .srq_limit = 0}};
    srq_ptr srq(ibv_create_srq(pd, &attributes));
    if (!srq)
        return verbs_error(errno, "cannot create a shared receive queue", pd->context);
    return std::unique_ptr<receive_pool>(new receive_pool(std::move(srq), index, capacity, data_size,
                                                          region_shift(capacity, command_size + data_size), counters));
}

receive_pool::receive_pool(srq_ptr srq, std::uint32_t index, std::uint32_t capacity, std::uint32_t data_size,
                           unsigned shift, statistics& counters)
    : index_(index), data_size_(data_size), stride_(command_size + data_size), shift_(shift), mask_((1u << shift) - 1),
      srq_(std::move(srq)), credits_(capacity, 1u << shift), stats_(counters) {}

core::result<registered_memory> receive_pool::make_region(ibv_pd* pd) const {
    return registered_memory::allocate(pd, std::size_t{stride_} << shift_);
}

void receive_pool::add(registered_memory region) {
    regions_.push_back(std::move(region));
    const std::uint32_t end = slots_ + (1u << shift_);
    spare_.reserve(end);
    to_post_.reserve(end);
    for (std::uint32_t slot = end; slot-- > slots_;)
        spare_.push_back(slot);
    slots_ = end;
    refill();
}

void receive_pool::join(std::uint32_t depth, std::uint32_t claim) {
    credits_.join(depth, claim);
    refill();
}

void receive_pool::raise(std::uint32_t more) {
    credits_.raise(more);
    refill();
}

void receive_pool::refill() noexcept {
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(credits_.missing(), spare_.size()));
    for (std::uint32_t i = 0; i < n; ++i) {
        to_post_.push_back(spare_.back());
        spare_.pop_back();
    }
    credits_.post(n);
}

void receive_pool::recycle(std::uint32_t slot) noexcept {
    if (!stopped_ && credits_.recycle())
        to_post_.push_back(slot);
    else
        spare_.push_back(slot);
}

void receive_pool::flush() noexcept {
    constexpr std::size_t batch = 64;
    std::array<ibv_recv_wr, batch> requests;
    std::array<ibv_sge, batch> pieces;
    while (!to_post_.empty()) {
        const std::size_t n = std::min(batch, to_post_.size());
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t slot = to_post_[to_post_.size() - 1 - i];
            pieces[i] = {reinterpret_cast<std::uint64_t>(command(slot)), stride_, lkey(slot)};
            requests[i] = {.wr_id = wr_id{.kind = work_kind::receive, .index = index_ << slot_bits | slot}.encode(),
                           .next = i + 1 < n ? &requests[i + 1] : nullptr,
                           .sg_list = &pieces[i],
                           .num_sge = 1};
        }
        ibv_recv_wr* refused = nullptr;
        const int rc = ibv_post_srq_recv(srq_.get(), requests.data(), &refused);
        const std::size_t accepted = rc == 0 ? n : refused ? static_cast<std::size_t>(refused - requests.data()) : 0;
        to_post_.resize(to_post_.size() - accepted);
        stats_.posted.add(accepted);
        stats_.doorbells.add();
        if (rc != 0) {
            // The rest stays waiting for the next turn. The queue has room for all slots, so it is the device that
            // fails.
            static core::log::limiter limit;
            stats_.failed.add();
            core::log::peer_warning(limit, "rdma: cannot post {} receives: {}", n - accepted, std::strerror(rc));
            return;
        }
    }
}

void receive_pool::stop() noexcept {
    stopped_ = true;
    spare_.insert(spare_.end(), to_post_.begin(), to_post_.end());
    to_post_.clear();
}

void receive_pool::release_verbs() noexcept {
    srq_.reset();
    for (registered_memory& region : regions_)
        region.mr.reset();
}

}  // namespace causeway::rdma
