// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "ceph/client.h"
#include "core/reactor.h"

#include <cstdint>

namespace causeway::bdev_rbd {

/// Which I/O, or which part of one, comes too late to be given to librbd. rados_osd_op_timeout runs only from there: an
/// I/O that has waited before, in our queue or because its core stood still, would reach the cluster when its host has
/// repeated it on another path, and a write would land on newer data.
///
/// The age is that of the whole I/O, whichever part of it comes next: a part that is issued at the last moment may take
/// all of the operations' own limit, and with that the I/O still has to end before its host gives it up.
///
/// Lives on the image's home reactor.
class age_limit {
  public:
    /// What librbd gets has this long to end: rados_osd_op_timeout, unless the operator has set another.
    static constexpr core::nanoseconds in_librbd = ceph::client::operation_time_limit;
    /// Since the I/O came, before any part of it is issued.
    static constexpr core::nanoseconds before_issue = std::chrono::seconds(4);
    static constexpr core::nanoseconds host_patience = std::chrono::seconds(30);  ///< a Linux host's, by default
    static_assert(before_issue + in_librbd < host_patience);
    static constexpr core::nanoseconds none = core::nanoseconds::max();

    explicit age_limit(core::reactor& home) noexcept;

    /// True, as for almost all: younger than any stall and any limit. To be asked of each I/O that is issued.
    bool is_young(const bdev::io& i) noexcept {
        if (home_.stats().stalls.get() != stalls_) [[unlikely]]
            record_stall();
        return home_.time().now() < i.started + young_ticks_;
    }
    /// Of an I/O that is not young: 0, or why it must not be issued: -EINTR (it changes content, and its core has
    /// stalled since it came), -ETIMEDOUT (it is older than `limit`).
    int refusal(const bdev::io& i, core::nanoseconds limit = before_issue) noexcept;

  private:
    void record_stall() noexcept;

    core::reactor& home_;
    const core::ticks young_ticks_;
    std::uint64_t stalls_;
    core::ticks resumed_at_ = 0;  ///< when the last stall was noticed here; not before it ended
};

}  // namespace causeway::bdev_rbd
