// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/event.h"
#include "core/gate.h"
#include "core/reactor_group.h"
#include "nvmf/reservation/store.h"
#include "nvmf/verdict.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace causeway::nvmf {

class nvm_namespace;

/// The reservation of one namespace, as this gateway enforces it. Control reactor; a part of its namespace, which is to
/// be kept as long as a task of this runs.
///
/// A change is enforced by all cores before it is stored, and stored before its host is answered. In between, every
/// core enforces both what was before and what comes, because a crash may leave either. Where other gateways serve the
/// disk, too, each of them has confirmed the change before the host is answered.
class namespace_reservation final : private reservation::store_observer {
  public:
    /// What a command makes of a state: one of reservation::apply().
    using command = std::function<reservation::transition(const reservation::state&)>;

    /// `s` of nullptr: the namespace has no reservations.
    namespace_reservation(nvm_namespace& owner, core::reactor_group& group, std::unique_ptr<reservation::store> s);

    bool is_supported() const noexcept { return store_ != nullptr; }
    bool can_persist() const noexcept { return store_ && store_->can_persist(); }
    std::uint8_t rescap() const noexcept;
    /// What this gateway knows last.
    const reservation::state& state() const noexcept { return stored_.state; }

    /// Before the namespace is active: what its store has, enforced by all cores. The store's errors.
    core::task<core::result<>> load();
    /// Ends when the change is stored, enforced and announced, and with `end_commands` when the commands that were
    /// executing before have ended. What the state machine says; Internal Error, or Internal Path Error where other
    /// gateways could not confirm it, without DNR: it may have been stored, or not; Command Interrupted: it has been,
    /// but some commands have not ended in time. REQUIRES: is_supported().
    core::task<verdict> change(command c, bool end_commands = false);
    /// Ends when every gateway enforces `state`, what is stored, or what comes later. Internal Path Error without DNR.
    core::task<verdict> report(reservation::state& state);
    /// When the namespace serves no I/O any more.
    core::task<> close();

  private:
    core::task<bool> changed(reservation::version now, bool end_commands) override;
    void announce(const std::vector<reservation::notification>& what) override;
    core::task<> lost() override;

    core::task<> enforce();
    core::task<core::result<>> reload();
    core::task<core::result<>> confirm();
    core::task<core::result<>> settle();
    core::task<> settle_later(std::shared_ptr<nvm_namespace> keep);
    core::task<verdict> give_way();
    core::task<verdict> try_change(const command& c, bool& stale);
    core::task<verdict> change_stored(const command& c);
    core::task<verdict> end_commands();
    core::task<verdict> confirm_at_least(std::uint64_t number);
    verdict failed(const core::error& why);

    nvm_namespace& owner_;
    core::reactor_group& group_;
    const std::unique_ptr<reservation::store> store_;
    reservation::version stored_;
    std::optional<reservation::state> beside_;  ///< cores enforce this one, too, until all gateways have confirmed
    bool unsure_ = false;                       ///< whether `beside_` has been stored is not known
    bool unknown_ = false;                      ///< nothing is known of what is stored
    std::vector<reservation::notification> to_announce_;  ///< by the other gateways
    std::uint64_t confirmed_ = 0;                         ///< all gateways enforce this version, or a later one
    bool enforced_ = false;                               ///< cores have an enforcement
    core::async_mutex enforcing_;
    core::async_mutex changes_;
    bool settling_ = false;
    core::event closing_;
    core::gate tasks_;
};

}  // namespace causeway::nvmf
