// SPDX-License-Identifier: Apache-2.0
#pragma once

// Long answers are made a few elements at a time, so that disks and hosts of the control reactor have theirs meanwhile.

#include "core/task.h"
#include "rpc/method.h"

#include <utility>
#include <vector>

namespace causeway::rpc {

/// What is done in one go, in microseconds or thereabouts: half of what a reactor spends on such work in a turn.
inline constexpr unsigned slice_us = 32;

/// Ends a slice when enough has been done. On the control reactor.
class slicer {
  public:
    /// `co_await slicer.did(us)`: continues at once, or after others have had their turn. What is not held by a shared
    /// pointer may have gone then.
    auto did(unsigned us) noexcept {
        struct awaiter {
            core::in_background wait;
            bool enough;
            bool await_ready() const noexcept { return !enough; }
            void await_suspend(std::coroutine_handle<> h) { wait.await_suspend(h); }
            void await_resume() const noexcept {}
        };
        spent_ += us;
        const bool enough = spent_ >= slice_us;
        return awaiter{core::in_background(enough ? std::exchange(spent_, 0) : 0), enough};
    }

  private:
    unsigned spent_ = 0;
};

/// [f(e) for each e of `list`]. `list` holds what it lists, as it was when the call began; `us` is what one costs.
template <class T, class F>
core::task<json> array_in_slices(std::vector<T> list, unsigned us, F f) {
    slicer slices;
    json all = json::array();
    for (const T& e : list) {
        all.push_back(f(e));
        co_await slices.did(us);
    }
    co_return all;
}

}  // namespace causeway::rpc
