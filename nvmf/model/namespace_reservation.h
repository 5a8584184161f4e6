// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/reactor_group.h"
#include "nvmf/reservation/store.h"
#include "nvmf/verdict.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace causeway::nvmf {

class nvm_namespace;

/// The reservation of one namespace, as this gateway enforces it. Control reactor; a part of its namespace, which is to
/// be kept as long as a task of this runs.
///
/// A change is enforced by all cores before it is stored, and stored before its host is answered. In between, every
/// core enforces both what was before and what comes, because a crash may leave either.
class namespace_reservation {
  public:
    /// What a command makes of a state: one of reservation::apply().
    using command = std::function<reservation::transition(const reservation::state&)>;

    /// `s` of nullptr: the namespace has no reservations.
    namespace_reservation(nvm_namespace& owner, core::reactor_group& group, std::unique_ptr<reservation::store> s);

    bool is_supported() const noexcept { return store_ != nullptr; }
    bool can_persist() const noexcept { return store_ && store_->can_persist(); }
    std::uint8_t rescap() const noexcept;
    const reservation::state& state() const noexcept { return stored_.state; }

    /// Before the namespace is active: what its store has, enforced by all cores. The store's errors.
    core::task<core::result<>> load();
    /// Ends when the change is stored, enforced and announced. What the state machine says; Internal Error without DNR:
    /// it could not be stored. REQUIRES: is_supported().
    core::task<verdict> change(command c);

  private:
    core::task<> enforce(const reservation::state& next);
    core::task<verdict> try_change(const command& c, bool& stale);

    nvm_namespace& owner_;
    core::reactor_group& group_;
    const std::unique_ptr<reservation::store> store_;
    reservation::store::version stored_;
    bool enforced_ = false;  ///< cores have an enforcement
    core::async_mutex changes_;
};

}  // namespace causeway::nvmf
