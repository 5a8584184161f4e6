// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/authentication.h"

#include "nvme/fabrics.h"
#include "nvmf/command/admin_commands.h"
#include "nvmf/complete.h"
#include "nvmf/core_counters.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/queue_authentication.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"
#include "nvmf/target_side.h"

#include <bit>
#include <fmt/format.h>
#include <span>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_fctype = offsetof(nvme::authentication_command, type);

/// Longer than any message of a host; what is received may be padded to more.
constexpr std::uint32_t max_send_length = auth::max_message_size;

verdict check(request& r, std::uint32_t max_length) noexcept {
    const auto c = std::bit_cast<nvme::authentication_command>(r.command);
    if (c.secp != nvme::secp_nvme)
        return wrong_field(offsetof(nvme::authentication_command, secp));
    if (c.spsp0 != 1)
        return wrong_field(offsetof(nvme::authentication_command, spsp0));
    if (c.spsp1 != 1)
        return wrong_field(offsetof(nvme::authentication_command, spsp1));
    if (c.length == 0 || c.length > max_length)
        return wrong_field(offsetof(nvme::authentication_command, length));
    r.length = c.length;
    return {};
}

/// Answers a command after which the exchange has moved on: the queue pair has authenticated, or ends, or neither.
/// Begins on the control reactor. `refused`: it has failed because there was no room for its arithmetic.
core::task<> conclude(std::shared_ptr<queue_authentication> auth, request& r, bool refused = false) {
    using state = auth_exchange::state;
    const bool failed = auth->report();
    const bool succeeded = auth->exchange.current() == state::completed;
    const bool over = auth->exchange.current() == state::error;
    auth.reset();

    qpair& q = *r.qpair;
    co_await core::switch_to(q.home());
    qpair_target_side& side = side_of(q);
    if (failed)
        side.counters->failed_authentications.add();
    if (refused)
        side.counters->refused_authentications.add();
    if (succeeded) {
        side.counters->authentications.add();
        enable_commands(q);
    }
    finish(r, nvme::sc::success);
    if (over)
        q.disconnect(disconnect_reason::authentication_failed);
}

/// When it is the turn of the host's address. False: too much of that address waits already.
core::task<bool> compute(target_state& shared, queue_authentication& auth, auth_computation& work) {
    auth_workers& workers = shared.auth.workers;
    if (!workers.has_room(auth.network())) {
        auth.exchange.refuse(fmt::format("{} authentications of hosts at its address wait, which is the maximum: it "
                                         "may try again later",
                                         auth_workers::max_waiting_of_address));
        co_return false;
    }
    auto worker = co_await workers.acquire(auth.network());
    if (auth.ended())  // while it waited
        co_return true;
    co_await core::run_blocking(shared.group, [&work] { work.run(); });
    worker.release();
    auth.exchange.on_computed(std::move(work));
    co_return true;
}

core::task<> take_message(controller& c, std::shared_ptr<queue_authentication> auth, request& r) {
    bool refused = false;
    auth->busy = true;
    auth->begin_if_due();
    auth::bytes message(r.length);
    bdev::copy_out(reinterpret_cast<std::byte*>(message.data()), r.data(), message.size());
    const access& hosts = c.subsystem().access();
    if (const auto work = auth->exchange.on_message(message, hosts.dhchap_keys_of(c.host_nqn()))) {
        const bool computed = co_await compute(c.subsystem().target(), *auth, *work);
        refused = !computed;
    }
    auth->busy = false;
    co_await conclude(std::move(auth), r, refused);
}

}  // namespace

verdict check_auth_send(request& r) noexcept {
    return check(r, max_send_length);
}

verdict check_auth_receive(request& r) noexcept {
    return check(r, side_of(*r.qpair).max_io_bytes);
}

outcome auth_send(controller& c, request& r) {
    auto auth = c.authentication_of(*r.qpair);
    // A host without a key has nothing to prove. One command at a time moves an exchange on.
    if (!auth || auth->busy)
        return verdict(nvme::sc::command_sequence_error.with_dnr(auth == nullptr), at_fctype);
    core::detach(take_message(c, std::move(auth), r));
    return {};
}

outcome auth_receive(controller& c, request& r) {
    auto auth = c.authentication_of(*r.qpair);
    if (!auth || auth->busy)
        return verdict(nvme::sc::command_sequence_error.with_dnr(auth == nullptr), at_fctype);
    const auth::bytes* const message = auth->exchange.due_message();
    if (!message)
        return verdict(nvme::sc::aborted_sq_deletion);
    if (message->size() > r.length)
        return wrong_field(offsetof(nvme::authentication_command, length));
    set_response_data(r, std::as_bytes(std::span(*message)), 0);
    auth->exchange.on_message_taken();
    core::detach(conclude(std::move(auth), r));
    return {};
}

void enable_commands(qpair& on) noexcept {
    qpair_target_side& q = side_of(on);
    q.must_authenticate = false;
    if (q.qid != 0 && q.phase == qpair::state::enabled)
        q.namespaces = &q.subsystem->namespaces().table(on.home().index());
}

}  // namespace causeway::nvmf
