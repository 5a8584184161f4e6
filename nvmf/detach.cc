// SPDX-License-Identifier: Apache-2.0
// The end of a connection. Begins and ends on the qpair's core, passes through the control reactor.

#include "core/log.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "nvmf/target_side.h"

namespace causeway::nvmf {

namespace {

/// `co_await next_drained(q)`: goes on when finish() or the end of a Connect has looked at the queue pair
/// again.
class [[nodiscard]] next_drained : private core::message {
  public:
    explicit next_drained(qpair& q) noexcept : core::message(&resume), qpair_(q) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        side_of(qpair_).drained = this;
    }
    void await_resume() const noexcept {}

  private:
    static void resume(core::message& m) noexcept { static_cast<next_drained&>(m).handle_.resume(); }
    qpair& qpair_;
    std::coroutine_handle<> handle_;
};

}  // namespace

core::task<> target::detach(qpair& q) {
    qpair_target_side& side = side_of(q);
    side.phase = qpair::state::disconnecting;
    end_fused(q);
    end_flows(q);
    while (side.connect_runs)
        co_await next_drained(q);

    const std::uint16_t qid = side.qid;
    if (side.controller) {
        // The controller releases the queue pair first, whatever hangs: hosts and operators see it gone.
        co_await core::switch_to(group_.control());
        side.controller->remove(q);
        co_await core::switch_to(q.home());
        // Messages that control has sent to this queue pair before are handled by now, or with the next turn where
        // control is this reactor: nothing refers to it any more.
        co_await core::yield();
        (qid == 0 ? side.counters->current_admin_qpairs : side.counters->current_io_qpairs).sub();
    }
    while (side.executing != 0)
        co_await next_drained(q);

    side.namespaces = nullptr;
    side.subsystem = nullptr;
    if (std::shared_ptr<controller> c = std::move(side.controller)) {
        co_await core::switch_to(group_.control());
        side.control_queue.leave_party();
        c->drained(qid, side.counts);
        c.reset();  // here, where the last one must go
        co_await core::switch_to(q.home());
    }
}

}  // namespace causeway::nvmf
