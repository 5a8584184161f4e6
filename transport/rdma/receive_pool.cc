#include "transport/rdma/receive_pool.h"

#include "core/log.h"
#include "transport/rdma/wr_id.h"

#include <algorithm>
#include <array>

namespace causeway::rdma {

core::result<receive_pool> receive_pool::create(ibv_pd* pd, srq_ptr srq, std::uint32_t capacity,
                                                std::uint32_t data_size) {
    auto memory = registered_memory::allocate(pd, std::size_t{capacity} * (command_size + data_size));
    if (!memory)
        return tl::make_unexpected(memory.error());
    return receive_pool(std::move(srq), std::move(*memory), capacity, data_size);
}

receive_pool::receive_pool(srq_ptr srq, registered_memory memory, std::uint32_t capacity, std::uint32_t data_size)
    : data_size_(data_size), stride_(command_size + data_size), memory_(std::move(memory)), srq_(std::move(srq)),
      ledger_(capacity) {
    to_post_.reserve(capacity);
    spare_.reserve(capacity);
    for (std::uint32_t slot = capacity; slot-- > 0;)
        spare_.push_back(slot);
}

bool receive_pool::join(std::uint32_t depth) {
    const auto more = ledger_.join(depth);
    if (!more)
        return false;
    for (std::uint32_t i = 0; i < *more; ++i) {
        to_post_.push_back(spare_.back());
        spare_.pop_back();
    }
    return true;
}

void receive_pool::recycle(std::uint32_t slot) noexcept {
    if (srq_ && ledger_.recycle())
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
            pieces[i] = {reinterpret_cast<std::uint64_t>(command(slot)), stride_, memory_.lkey()};
            requests[i] = {.wr_id = wr_id{.kind = work_kind::receive, .index = slot}.encode(),
                           .next = i + 1 < n ? &requests[i + 1] : nullptr,
                           .sg_list = &pieces[i],
                           .num_sge = 1};
        }
        ibv_recv_wr* refused = nullptr;
        const int rc = ibv_post_srq_recv(srq_.get(), requests.data(), &refused);
        const std::size_t accepted = rc == 0 ? n : refused ? static_cast<std::size_t>(refused - requests.data()) : 0;
        to_post_.resize(to_post_.size() - accepted);
        stats_->posted.add(accepted);
        stats_->doorbells.add();
        if (rc != 0) {
            // The rest stays in line for the next turn. The queue has room for all slots, so it is the device that fails.
            static core::log::limiter limit;
            stats_->failed.add();
            core::log::peer_warning(limit, "rdma: cannot post {} receives: {}", n - accepted, std::strerror(rc));
            return;
        }
    }
}

void receive_pool::release_verbs() noexcept {
    srq_.reset();
    memory_.mr.reset();
    spare_.insert(spare_.end(), to_post_.begin(), to_post_.end());
    to_post_.clear();
}

}  // namespace causeway::rdma
