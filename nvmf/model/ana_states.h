// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"
#include "nvme/status.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

class ana_groups;
class ana_reader;

/// Commands run on the namespaces of a group in this state.
constexpr bool is_accessible(nvme::ana_state s) noexcept {
    return s == nvme::ana_state::optimized || s == nvme::ana_state::non_optimized;
}

/// What a command gets on a namespace whose group is in this state. Never with Do Not Retry, not even where the loss is
/// persistent: hosts take that as the end of the command on all paths, and another path may be good. NVM Express Base
/// Specification 2.0, "Asymmetric Namespace Access states".
constexpr nvme::status status_of(nvme::ana_state s) noexcept {
    switch (s) {
    case nvme::ana_state::optimized:
    case nvme::ana_state::non_optimized: return {};
    case nvme::ana_state::persistent_loss: return nvme::sc::asymmetric_access_persistent_loss;
    case nvme::ana_state::inaccessible: return nvme::sc::asymmetric_access_inaccessible;
    case nvme::ana_state::change: break;
    }
    return nvme::sc::asymmetric_access_transition;
}

/// As JSON-RPC spells it.
std::string_view to_string(nvme::ana_state s) noexcept;

/// The states of a subsystem's ANA groups as one listener gives them, shared by the listener and the controllers whose
/// admin queues came in by it. Groups count from 1.
///
/// Changed on the control reactor by `ana_groups`, which afterwards visits every core. Any reactor may read a state: it
/// does so only while a namespace's refusal bit sends it here.
class ana_states {
  public:
    ana_states(ana_groups& owner, std::uint32_t groups, nvme::ana_state initial);
    ~ana_states();
    ana_states(const ana_states&) = delete;
    ana_states& operator=(const ana_states&) = delete;

    // ---- Any reactor.

    nvme::ana_state state(std::uint32_t group) const noexcept { return entry_of(group).state; }
    /// The change by which the group became accessible; 0: it has always been.
    std::uint64_t accessible_since(std::uint32_t group) const noexcept { return entry_of(group).accessible_since; }
    /// What a command gets on this group, if its controller has read the log at change `read`.
    nvme::status access(std::uint32_t group, std::uint64_t read) const noexcept {
        const entry e = entry_of(group);
        if (!is_accessible(e.state))
            return status_of(e.state);
        return e.accessible_since <= read ? nvme::status() : nvme::status(nvme::sc::asymmetric_access_transition);
    }

    // ---- Control reactor.

    std::uint32_t groups() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }
    /// The Change Count of the log page: of these states and of the groups' namespaces.
    std::uint64_t changes() const noexcept { return changes_; }
    /// Its value at the last change of this group.
    std::uint64_t last_change(std::uint32_t group) const noexcept { return last_changes_[group - 1]; }
    /// A change begins, which set() and touch() belong to.
    void begin_change() noexcept { ++changes_; }
    void set(std::uint32_t group, nvme::ana_state to) noexcept;
    /// The group has other namespaces than before.
    void touch(std::uint32_t group) noexcept { last_changes_[group - 1] = changes_; }
    /// A namespace moves from one group to another. Where a controller could not use it before, all have to read the
    /// log before they use its new group.
    void move(std::uint32_t from, std::uint32_t to) noexcept;
    /// Whether any controller may be refused on this group.
    bool may_refuse(std::uint32_t group) const noexcept {
        const entry e = entry_of(group);
        return !is_accessible(e.state) || e.accessible_since > oldest_read_;
    }

  private:
    friend class ana_reader;
    struct entry {
        nvme::ana_state state;
        std::uint64_t accessible_since;
    };
    static constexpr std::uint64_t pack(entry e) noexcept {
        return e.accessible_since << 4 | nvme::to_underlying(e.state);
    }
    entry entry_of(std::uint32_t group) const noexcept {
        const std::uint64_t packed = entries_[group - 1].load(std::memory_order_acquire);
        return {static_cast<nvme::ana_state>(packed & 0xf), packed >> 4};
    }
    void update_oldest_read();

    ana_groups& owner_;
    std::vector<std::atomic<std::uint64_t>> entries_;  ///< by group; state and change in one word
    std::vector<std::uint64_t> last_changes_;          ///< by group
    std::uint64_t changes_ = 1;
    std::vector<const ana_reader*> readers_;
    std::uint64_t oldest_read_ = ~std::uint64_t{0};  ///< of all readers
};

/// What one controller has read of the states of its listener. It lives as long as the controller's queue pairs have
/// commands. Control reactor, but for what says otherwise.
///
/// A command runs only if its controller was created, or has read the ANA log page, since the group became accessible.
/// Else a write of a connection that its host has given up, which still lay in a socket here while another gateway
/// served the group, would land on newer data.
class ana_reader {
  public:
    explicit ana_reader(std::shared_ptr<ana_states> of);
    ~ana_reader();
    ana_reader(const ana_reader&) = delete;
    ana_reader& operator=(const ana_reader&) = delete;

    const ana_states& states() const noexcept { return *states_; }
    /// Any reactor. What a command of this controller gets on a namespace of `group`.
    nvme::status access(std::uint32_t group) const noexcept {
        return states_->access(group, read_.load(std::memory_order_acquire));
    }
    /// The host has been given the log page as it is now.
    void log_read();

  private:
    friend class ana_states;
    const std::shared_ptr<ana_states> states_;
    std::atomic<std::uint64_t> read_;  ///< states_->changes() at that time
};

}  // namespace causeway::nvmf
