// SPDX-License-Identifier: Apache-2.0
// Abort: aborts a command that has not reached a device. NVM Express Base Specification 2.0, "Abort command".
//
// A command that a device executes continues: nothing can be called back from a cluster, and its buffers are in use.
// Dword 0 tells the host.

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"

namespace causeway::nvmf {

namespace {

constexpr unsigned limit = 4;  // ACL says so, 0's based

/// On the queue's core: commands that wait there, in our hands or in the transport's.
bool abort_waiting_command(qpair& q, std::uint16_t cid) noexcept {
    if (abort_fused(q, cid))
        return true;
    // The halves of a fused pair may wait together for one buffer, by the first one's claim: if that was aborted, the
    // second would wait for ever (core/buffer_share.h).
    return side_of(q).fused_begun == 0 && q.abort_waiting(cid);
}

/// The queue pair outlives the visit: see target::detach().
core::task<> abort_on(std::shared_ptr<controller> c, request& r, qpair& q) {
    core::reactor& control = *core::reactor::current();
    const std::uint16_t cid = nvme::abort_view{r.command}.cid();
    co_await core::switch_to(q.home());
    const bool aborted = abort_waiting_command(q, cid);
    co_await core::switch_to(control);
    --c->aborts_running;
    r.completion.dw0 = aborted ? 0 : nvme::abort_not_aborted;
    finish_on_home_core(r, {});
}

}  // namespace

outcome abort(controller& c, request& r) {
    const nvme::abort_view command{r.command};
    if (c.aborts_running == limit)
        return verdict(nvme::sc::abort_limit_exceeded);
    if (command.sqid() == 0 && c.events().abort(command.cid()))
        return verdict();
    const controller::queue* q = c.find_queue(command.sqid());
    if (!q) {
        r.completion.dw0 = nvme::abort_not_aborted;
        return verdict();
    }
    ++c.aborts_running;
    core::detach(abort_on(c.shared_from_this(), r, *q->qpair));
    return {};
}

}  // namespace causeway::nvmf
