// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ceph/cluster_threads.h"
#include "core/result.h"
#include "core/task.h"
#include "core/timer.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace causeway::ceph {

/// Work that may block for a long time. The awaiting task continues when the work is done, when its time limit has
/// passed, or when it is cancelled, whichever comes first.
///
/// Work that runs cannot be stopped. It continues on its thread, listed there as hung, and what it makes after all is
/// destroyed there: so T's destructor may block. Work that was given up before a thread was free never runs. Lives on
/// one reactor.
template <class T>
class deadline_call {
  public:
    using function = std::function<core::result<T>()>;

    /// `what` is attempted, "rbd/vm-17". `too_late` is the answer when the limit has passed. EBUSY at once where an
    /// earlier attempt at the same still hangs.
    core::task<core::result<T>> run(std::shared_ptr<cluster_threads> threads, std::string what, core::nanoseconds limit,
                                    core::error too_late, function work) {
        if (auto may = threads->check(what); !may) {
            threads->submit([work = std::move(work)] {});  // what it holds may block when it goes
            co_return tl::make_unexpected(may.error());
        }
        const auto s = state_ = std::make_shared<state>(threads, std::move(what));
        threads->submit([s, work = std::move(work)] {
            if (s->begin())
                s->end(work());
        });
        core::timer limit_timer(*core::reactor::current(), [s, too_late] { s->finish_early(too_late); });
        limit_timer.arm_after(limit);
        co_return co_await s->outcome;
    }

    /// Answers at once with `why`, unless there has been an answer.
    void cancel(core::error why) {
        if (state_)
            state_->finish_early(std::move(why));
    }

  private:
    struct state {
        state(std::shared_ptr<cluster_threads> t, std::string w) : threads(std::move(t)), what(std::move(w)) {}

        bool begin() {
            const std::lock_guard lock(mutex);
            if (phase != waiting)
                return false;
            phase = running;
            return true;
        }
        void end(core::result<T> r) {
            std::unique_lock lock(mutex);
            if (std::exchange(phase, answered) == running) {
                outcome.set(std::move(r));
                return;
            }
            lock.unlock();
            r = tl::make_unexpected(core::error{});  // before another attempt may begin
            threads->returned(what);
        }
        void finish_early(core::error why) {
            const std::lock_guard lock(mutex);
            if (phase == answered)
                return;
            if (std::exchange(phase, answered) == running)
                threads->hangs(what);
            outcome.set(tl::make_unexpected(std::move(why)));
        }

        const std::shared_ptr<cluster_threads> threads;
        const std::string what;
        std::mutex mutex;
        enum { waiting, running, answered } phase = waiting;
        core::one_shot<core::result<T>> outcome;
    };
    std::shared_ptr<state> state_;
};

}  // namespace causeway::ceph
