#pragma once

#include "bdev/io.h"
#include "core/reactor.h"

#include <cstdint>

namespace causeway::bdev_rbd {

/// Which I/O comes too late to be given to librbd. rados_osd_op_timeout runs only from there: an I/O that has waited
/// before, in our queue or because its core stood still, would reach the cluster when its host has repeated it on
/// another path, and a write would land on newer data.
///
/// Lives on the image's home reactor.
class age_limit {
  public:
    /// Before the first of it is issued. With the 25 s of rados_osd_op_timeout that is below the 30 s of a Linux host.
    static constexpr core::nanoseconds first_issue = std::chrono::seconds(4);
    /// Before a later part is issued: a long range of zeroes takes its time where nothing hangs, too.
    static constexpr core::nanoseconds later_part = std::chrono::seconds(25);
    static constexpr core::nanoseconds none = core::nanoseconds::max();

    explicit age_limit(core::reactor& home) noexcept;

    /// True, as for almost all: younger than any stall and any limit. To be asked of each I/O that is issued.
    bool is_young(const bdev::io& i) noexcept {
        if (home_.stats().stalls.get() != stalls_) [[unlikely]]
            note_stall();
        return home_.time().now() < i.started + young_ticks_;
    }
    /// Of an I/O that is not young: 0, or why it must not be issued: -EINTR (it changes content, and its core has
    /// stalled since it came), -ETIMEDOUT (it is older than `limit`).
    int refusal(const bdev::io& i, core::nanoseconds limit) noexcept;

  private:
    void note_stall() noexcept;

    core::reactor& home_;
    const core::ticks young_ticks_;
    std::uint64_t stalls_;
    core::ticks resumed_at_ = 0;  ///< when the last stall was noticed here; not before it ended
};

}  // namespace causeway::bdev_rbd
