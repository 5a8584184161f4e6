// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/bulkhead.h"
#include "core/result.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace causeway::ceph {

/// The threads on which a cluster's calls run that may never return, a bounded number of its own, and the list of the
/// calls that were given up and still hang there. Those are not repeated: each repetition would take one more thread.
///
/// Any thread.
class cluster_threads final : public core::blocking_executor {
  public:
    /// Enough to open some thousand images in a few seconds.
    static constexpr unsigned max_running = 16;

    explicit cluster_threads(core::blocking_executor& threads)
        : share_(threads, max_running), one_at_a_time_(share_, 1) {}

    void submit(std::function<void()> work) override { share_.submit(std::move(work)); }
    /// For work that nobody waits for: it takes one of these threads at the most.
    core::blocking_executor& one_at_a_time() noexcept { return one_at_a_time_; }

    /// EBUSY: an earlier attempt at the same hangs, or so many calls hang that no thread is left.
    core::result<> check(const std::string& what) const;
    void hangs(const std::string& what);
    void returned(const std::string& what);
    /// What hangs: "rbd/vm-17", or "connecting as client.admin".
    std::vector<std::string> hung() const;

  private:
    core::bulkhead share_;
    core::bulkhead one_at_a_time_;
    mutable std::mutex mutex_;
    std::multiset<std::string> hung_;
};

/// Destroys `object` on `threads`, where it may block.
template <class T>
void destroy_on(cluster_threads& threads, T object) {
    auto keep = std::make_shared<T>(std::move(object));
    threads.submit([keep = std::move(keep)]() mutable { keep.reset(); });
}

}  // namespace causeway::ceph
