// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace causeway::common {

/// What each core has for the connections of a fabric, or of one of its devices: a poll group, made when a connection
/// first comes to the core. Control reactor.
///
/// A fabric's group derives from common::poll_group, and has:
///
///     void start()           on its reactor: begins to poll
///     core::task<> stop()    begins and ends on its reactor: ends that, and releases what is not memory
template <class Group>
class core_groups {
  public:
    /// `make` may block, and runs on any thread. `on_made` is called here for each group.
    core_groups(core::reactor_group& cores, std::function<core::result<std::unique_ptr<Group>>(core::reactor&)> make,
                std::function<void(const Group&)> on_made)
        : cores_(cores), make_(std::move(make)), on_made_(std::move(on_made)), groups_(cores.size()) {}
    core_groups(const core_groups&) = delete;
    core_groups& operator=(const core_groups&) = delete;

    /// The group of `home`, made if there is none yet. ENODEV: closed meanwhile; else what making one says.
    core::task<core::result<Group*>> on(core::reactor& home) {
        const auto lock = co_await making_.lock();
        std::unique_ptr<Group>& group = groups_[home.index()];
        if (!group && !closed_) {
            auto make = [this, &home] { return make_(home); };
            auto made = co_await core::run_blocking(cores_, make);
            if (!made)
                co_return tl::make_unexpected(made.error());
            group = std::move(*made);
            co_await core::switch_to(home);
            group->start();
            co_await core::switch_to(cores_.control());
            on_made_(*group);
        }
        if (closed_)
            co_return core::fail(ENODEV, "no connections are accepted there any more");
        co_return group.get();
    }
    /// nullptr: none yet.
    Group* find(std::size_t core) const noexcept { return groups_[core].get(); }
    /// Times that commands have waited for a buffer of `core`.
    std::uint64_t buffer_waits(std::size_t core) const noexcept {
        return groups_[core] ? groups_[core]->buffer_waits() : 0;
    }

    /// None is made from now on.
    void close() noexcept { closed_ = true; }
    /// Likewise, and ends when none polls any more. Their memory stays. REQUIRES: no queue pair has a link.
    core::task<> stop() {
        closed_ = true;
        const auto lock = co_await making_.lock();
        for (const auto& group : groups_)
            if (group) {
                co_await core::switch_to(group->home());
                co_await group->stop();
            }
        co_await core::switch_to(cores_.control());
    }
    /// Destroys them. REQUIRES: stop() has ended, and no command uses their memory.
    void clear() noexcept {
        for (auto& group : groups_)
            group.reset();
    }

  private:
    core::reactor_group& cores_;
    const std::function<core::result<std::unique_ptr<Group>>(core::reactor&)> make_;
    const std::function<void(const Group&)> on_made_;
    bool closed_ = false;
    core::async_mutex making_;
    std::vector<std::unique_ptr<Group>> groups_;  ///< by core
};

}  // namespace causeway::common
