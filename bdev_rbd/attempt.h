#pragma once

#include "core/result.h"
#include "core/task.h"
#include "core/timer.h"

#include <atomic>
#include <functional>
#include <memory>

namespace causeway::bdev_rbd {

/// Work that may block for longer than anybody wants to wait: whoever awaits it is answered when it is done, when its time
/// limit has passed, or when somebody cancels, whichever comes first.
///
/// The work itself cannot be stopped. It goes on on its thread, and what it makes after all is destroyed there: so T's
/// destructor may block. Lives on one reactor.
template <class T>
class attempt {
  public:
    using function = std::function<core::result<T>()>;

    /// `too_late` is the answer when the limit has passed.
    core::task<core::result<T>> run(core::reactor_group& group, core::nanoseconds limit, core::error too_late,
                                    function work) {
        const auto s = state_ = std::make_shared<state>();
        group.blocking().submit([s, work = std::move(work)] {
            auto outcome = work();
            s->decide(std::move(outcome));
        });
        core::timer limit_timer(*core::reactor::current(), [s, too_late] { s->decide(tl::make_unexpected(too_late)); });
        limit_timer.arm_after(limit);
        co_return co_await s->outcome;
    }

    /// Answers at once with `why`, unless there has been an answer.
    void cancel(core::error why) {
        if (state_)
            state_->decide(tl::make_unexpected(std::move(why)));
    }

  private:
    struct state {
        std::atomic<bool> decided{false};
        core::one_shot<core::result<T>> outcome;

        void decide(core::result<T> r) {
            if (!decided.exchange(true, std::memory_order_acq_rel))
                outcome.set(std::move(r));
        }
    };
    std::shared_ptr<state> state_;
};

}  // namespace causeway::bdev_rbd
