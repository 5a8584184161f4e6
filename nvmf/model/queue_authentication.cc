// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/queue_authentication.h"

#include "core/log_event.h"
#include "nvmf/host_network.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <fmt/format.h>

namespace causeway::nvmf {

namespace {

using namespace std::chrono_literals;

core::log::limiter failures;

constexpr std::chrono::milliseconds default_time_limit = 120s;  ///< without KATO, as other targets have it

std::chrono::milliseconds time_limit_of(const controller& c) {
    return c.kato_ms() ? std::chrono::milliseconds(c.kato_ms()) : default_time_limit;
}

}  // namespace

queue_authentication::queue_authentication(controller& owner, qpair& connection, std::uint16_t qid,
                                           const transport_address& peer, bool required)
    : exchange(owner.host_nqn(), owner.subnqn(), owner.subsystem().target().auth.allowed), controller_(owner),
      connection_(connection), qid_(qid), peer_(peer), network_(host_network_of(peer.traddr)), required_(required),
      deadline_(owner.subsystem().target().group.control(), [this] { on_deadline(); }) {
    if (required)
        deadline_.arm_after(time_limit_of(owner));
}

void queue_authentication::begin_if_due() {
    if (!deadline_.armed() && !ended_)
        deadline_.arm_after(time_limit_of(controller_));
}

bool queue_authentication::report() {
    if (exchange.current() == auth_exchange::state::completed) {
        deadline_.cancel();
        core::log::info("{} has authenticated ({}, {})", describe(), auth::to_string(*exchange.digest()),
                        auth::to_string(*exchange.dhgroup()));
        return false;
    }
    if (exchange.failure().empty() || std::exchange(reported_, true))
        return false;
    log_failure(exchange.failure());
    return true;
}

void queue_authentication::on_deadline() {
    if (!std::exchange(reported_, true))
        log_failure(fmt::format("it did not finish within {} s (state {})", time_limit_of(controller_) / 1s,
                                to_string(exchange.current())));
    controller_.close_unauthenticated(connection_);
}

void queue_authentication::log_failure(std::string_view why) const {
    core::log::peer_report(
        failures, core::log::event::authentication_failed,
        {{"subsystem", controller_.subsystem().nqn()}, {"host", controller_.host_nqn()}, {"address", peer_.text()}},
        "{} failed to authenticate: {}", describe(), why);
}

std::string queue_authentication::describe() const {
    return fmt::format("{}: host '{}' from {}, queue {},", controller_.subsystem().nqn(), controller_.host_nqn(),
                       peer_.text(), qid_);
}

}  // namespace causeway::nvmf
