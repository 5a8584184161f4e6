// SPDX-License-Identifier: Apache-2.0
// How a poll group grows as connections come, and as they use what was promised to them.

#include "core/log.h"
#include "transport/rdma/poll_group.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace causeway::rdma {

namespace {

/// How long a queue keeps claiming the receives that it does not use any more.
constexpr auto claims_last = std::chrono::minutes(1);

}  // namespace

core::task<core::result<receive_pool*>> poll_group::admit(qpair_limits limits) {
    const auto lock = co_await growing_.lock();
    core::result<receive_pool*> admitted = core::fail(ENODEV, "the device is gone");
    if (!stopped_) {
        const core::result<> completions = co_await grow_completions(completions_of(limits));
        if (completions)
            admitted = co_await pool_for(limits.depth);
        else
            admitted = tl::make_unexpected(completions.error());
    }
    if (admitted) {
        receive_pool& receives = **admitted;
        const std::uint16_t claim = receive_pool::first_claim(limits.depth);
        receives.join(limits.depth, claim);
        promised_completions_ += completions_of(limits);
        if (const core::result<> memory = co_await add_memory(receives); !memory) {
            cancel(receives, limits);
            admitted = tl::make_unexpected(memory.error());
        }
    }
    co_return admitted;
}

void poll_group::cancel(receive_pool& receives, const qpair_limits& limits) noexcept {
    receives.leave(limits.depth, receive_pool::first_claim(limits.depth));
    promised_completions_ -= completions_of(limits);
}

core::task<core::result<>> poll_group::grow_completions(std::uint32_t more) {
    const std::uint32_t needed = promised_completions_ + more;
    if (needed <= completions_)
        co_return core::result<>{};
    const std::uint32_t wanted = std::min(std::max(needed, 2 * completions_), limits_.max_completions);
    if (wanted < needed)
        co_return core::fail(ENOSPC, "the completion queue is as large as the device allows");
    auto resize = [this, wanted] { return ibv_resize_cq(cq_.get(), static_cast<int>(wanted)); };
    if (const int code = co_await core::run_blocking(home_.group(), resize); code != 0)
        co_return verbs_error(code, "cannot enlarge a completion queue (num_cqe sets its first size)", pd_->context);
    completions_ = static_cast<std::uint32_t>(cq_->cqe);
    co_return core::result<>{};
}

/// The first pool that has room for a connection's receives, or a new one.
core::task<core::result<receive_pool*>> poll_group::pool_for(std::uint32_t depth) {
    for (const auto& p : pools_)
        if (p->has_room(depth))
            co_return p.get();
    if (pools_.size() == max_receive_pools)
        co_return core::fail(ENOSPC, "there are as many shared receive queues as a core can have");
    auto create = [this] {
        return receive_pool::create(pd_, static_cast<std::uint32_t>(pools_.size()), limits_.receives,
                                    in_capsule_data_size_, receive_stats_);
    };
    auto made = co_await core::run_blocking(home_.group(), create);
    if (!made)
        co_return tl::make_unexpected(made.error());
    pools_.push_back(std::move(*made));
    co_return pools_.back().get();
}

core::task<core::result<>> poll_group::add_memory(receive_pool& receives) {
    while (receives.needs_memory()) {
        auto make = [this, &receives] { return receives.make_region(pd_); };
        auto region = co_await core::run_blocking(home_.group(), make);
        if (!region)
            co_return tl::make_unexpected(region.error());
        receives.add(std::move(*region));
    }
    receives.flush();
    co_return core::result<>{};
}

bool poll_group::raise(receive_pool& receives, std::uint32_t more) noexcept {
    receives.raise(more);
    if (!lower_claims_.armed())
        lower_claims_.arm_after(claims_last);
    if (!receives.needs_memory())
        return true;
    const bool lost = out_of_memory_ && receives.is_exhausted();
    if (!following_use_ && !stopped_) {
        following_use_ = true;
        core::detach(grow_with_use());
    }
    return !lost;
}

/// So that queues that were busy at different times do not add up. Posted receives cannot be called back: unclaimed
/// receives leave circulation as they come back with commands, and other connections use their memory.
void poll_group::lower_claims() {
    bool claimed = false;
    for (const qpair_slot& p : qpair_slots_)
        claimed |= p.occupant && p.occupant->lower_claim();
    if (claimed)
        lower_claims_.arm_after(claims_last);
}

/// In the background: until it is done, the cushion is smaller than it should be.
core::task<> poll_group::grow_with_use() {
    const auto lock = co_await growing_.lock();
    bool failed = false;
    for (std::size_t i = 0; i < pools_.size() && !stopped_; ++i) {
        const core::result<> memory = co_await add_memory(*pools_[i]);
        failed |= !memory;
        if (!memory) {
            static core::log::limiter limit;
            core::log::peer_warning(limit, "rdma: core {} has no more memory for receives: {}", home_.index(),
                                    memory.error().text());
        }
    }
    out_of_memory_ = failed;
    following_use_ = false;
}

void poll_group::add_own_buffers(registered_memory region) {
    own_memory_.push_back(std::move(region));
    const registered_memory& made = own_memory_.back();
    std::byte* const data = made.data();
    const std::uint32_t lkey = made.lkey();
    for (std::size_t i = 0; i < own_buffers_in_region; ++i)
        own_buffers_.add({data + i * max_io_size_, lkey});
}

void poll_group::want_own_buffers() {
    if (!std::exchange(making_own_buffers_, true))
        core::detach(make_own_buffers());
}

/// In the background, while a few are left. Where there is no memory, connections share those that are there.
core::task<> poll_group::make_own_buffers() {
    const auto lock = co_await growing_.lock();
    while (own_buffers_.is_short() && !stopped_) {
        auto make = [this] { return registered_memory::allocate(pd_, own_buffers_in_region * max_io_size_); };
        auto region = co_await core::run_blocking(home_.group(), make);
        if (!region) {
            static core::log::limiter limit;
            core::log::peer_warning(limit, "rdma: core {} has no memory for connections' own buffers: {}",
                                    home_.index(), region.error().text());
            break;
        }
        add_own_buffers(std::move(*region));
    }
    making_own_buffers_ = false;
}

}  // namespace causeway::rdma
