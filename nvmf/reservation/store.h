// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "nvmf/reservation/state.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace causeway::nvmf::reservation {

/// What is stored.
struct version {
    reservation::state state;
    std::uint64_t number = 0;  ///< each change of what is stored makes a higher one
};

/// Who enforces what a shared store keeps. The store calls it on the control reactor, also while a call of its own to
/// the store is under way: it must not wait for that.
class store_observer {
  public:
    virtual ~store_observer() = default;
    /// Another gateway has stored `now`. Ends when every core enforces that, or what is stored later; with
    /// `end_commands`, when the commands that were executing then have ended, too. False: some did not within a
    /// second.
    virtual core::task<bool> changed(version now, bool end_commands) = 0;
    /// What another gateway's change has to say to hosts.
    virtual void announce(const std::vector<notification>& what) = 0;
    /// Others no longer wait for this gateway, so it does not know what is stored until the next load() has ended. Ends
    /// when every core refuses what a reservation could refuse.
    virtual core::task<> lost() = 0;
};

/// What all gateways have confirmed.
struct confirmation {
    std::uint64_t number = 0;  ///< each enforces this version or a later one, or is fenced
    bool commands_ended = true;
};

/// Where the reservation of one namespace is kept. Control reactor; one load() or replace() at a time.
class store {
  public:
    using version = reservation::version;

    virtual ~store() = default;

    /// Whether a reservation can survive a loss of power: RESCAP.PTPLS.
    virtual bool can_persist() const noexcept = 0;
    /// What is stored; no registrants if nothing is. When it ends, no replace() that has failed before can have an
    /// effect any more. Errors say what to do about them.
    virtual core::task<core::result<version>> load() = 0;
    /// Stores `next` if version `expected` is still there, and ends when it is stored for good: the number of the new
    /// version. ESTALE: another one is there, and nothing has changed. After another error, either may be there.
    virtual core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) = 0;

    /// Whether other gateways may change what is stored. The rest is for such stores only.
    virtual bool is_shared() const noexcept { return false; }
    /// Before the first load(); outlives close().
    virtual void observe(store_observer&) {}
    /// Ends when each other gateway has confirmed that it enforces what is stored now, or has been fenced. Each
    /// announces `notifications` to its hosts. With `end_commands`, also when the commands that were executing there
    /// have ended, or some have not within `store::end_limit`. After an error nothing is known of them.
    virtual core::task<core::result<confirmation>> confirm(std::vector<notification> /*notifications*/,
                                                           bool /*end_commands*/) {
        co_return confirmation();
    }
    /// What waits for other gateways gives up: the namespace is being removed.
    virtual void cancel() {}
    /// Others do not wait for this gateway any more. Nothing of the store is called after this; ends when no task of
    /// its own runs. REQUIRES: the namespace serves no I/O any more.
    virtual core::task<> close() { co_return; }

    /// Of commands that a disk does not answer, Preempt and Abort waits no longer.
    static constexpr core::nanoseconds end_limit = std::chrono::seconds(10);
};

/// Makes the store for a device that becomes a namespace. `file` is the operator's `ptpl_file`, or empty. nullptr: the
/// namespace has no reservations.
using store_factory =
    std::function<std::unique_ptr<store>(core::reactor_group& group, bdev::device& device, const std::string& file)>;

/// For devices that no other gateway has: a file where there is one, else memory.
std::unique_ptr<store> make_local_store(core::reactor_group& group, const bdev::device& device,
                                        const std::string& file);

}  // namespace causeway::nvmf::reservation
