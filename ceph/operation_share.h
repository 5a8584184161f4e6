// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace causeway::ceph {

/// The RADOS operations that all images of one client have outstanding. librados' own throttle is off: it would block
/// the core that submits. Any thread.
class outstanding_operations {
  public:
    static constexpr unsigned default_limit = 8192;

    explicit outstanding_operations(unsigned limit = default_limit) noexcept : limit_(limit) {}

    unsigned limit() const noexcept { return limit_; }
    unsigned count() const noexcept { return count_.load(); }
    unsigned left() const noexcept {
        const unsigned now = count();
        return now < limit_ ? limit_ - now : 0;
    }

  private:
    friend class operation_share;
    const unsigned limit_;
    std::atomic<unsigned> count_{0};
};

/// One image's part of them. It may have as many outstanding as its client has left, as in switches whose ports share a
/// buffer: an image alone gets a half of the limit, k images that hang leave 1/(k+1) of it to the others. And `floor`
/// whatever the others have, so that no image starves: all images together stay below the limit plus a floor for each.
class operation_share {
  public:
    static constexpr unsigned floor = 32;

    /// `client`: shared, for a device outlives a client that is exchanged under it.
    explicit operation_share(std::shared_ptr<outstanding_operations> client) noexcept : client_(std::move(client)) {}

    /// The image's home core. False: not now. An image with nothing outstanding always may.
    bool take(unsigned operations) noexcept {
        const unsigned mine = mine_.load();
        if (mine > 0 && mine + operations > std::max(floor, client_->left()))
            return false;
        mine_.fetch_add(operations);
        client_->count_.fetch_add(operations);
        return true;
    }
    /// Any thread. A waiter that checks after this sees it.
    void release(unsigned operations) noexcept {
        client_->count_.fetch_sub(operations);
        mine_.fetch_sub(operations);
    }
    unsigned outstanding() const noexcept { return mine_.load(); }

  private:
    const std::shared_ptr<outstanding_operations> client_;
    std::atomic<unsigned> mine_{0};
};

}  // namespace causeway::ceph
