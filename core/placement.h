// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::core {

class placement;

/// How cores are assigned to disks as their main threads.
enum class placement_policy : std::uint8_t {
    round_robin,   ///< to each core in turn (the default)
    least_loaded,  ///< to the core that has fewest of them, the least busy one among equals
    first,         ///< all to the first core: the known-bad behaviour, kept so that the difference can be measured
};

std::optional<placement_policy> placement_policy_from(std::string_view name) noexcept;
std::string_view to_string(placement_policy p) noexcept;

/// What cores are assigned to. Each kind is counted by itself.
enum class lease_kind : std::uint8_t { disk, admin_queue, io_queue };

/// A core that a placement has assigned to a disk or a queue pair, and counts until the lease ends.
///
/// The owner of the lease asks it where its home is and keeps no reactor beside it, so that there is one place to
/// change when things move. Made, moved, released and destroyed on the control reactor; home() on any thread.
/// REQUIRES: the placement outlives it.
class core_lease {
  public:
    core_lease() noexcept = default;
    /// A home that its maker has chosen, and no placement counts.
    core_lease(reactor& home) noexcept : home_(&home) {}
    core_lease(core_lease&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), home_(std::exchange(other.home_, nullptr)), kind_(other.kind_) {}
    core_lease& operator=(core_lease&& other) noexcept {
        if (this != &other) {
            release();
            from_ = std::exchange(other.from_, nullptr);
            home_ = std::exchange(other.home_, nullptr);
            kind_ = other.kind_;
        }
        return *this;
    }
    ~core_lease() { release(); }

    /// False: of no core, because none had room.
    explicit operator bool() const noexcept { return home_ != nullptr; }
    /// REQUIRES: *this.
    reactor& home() const noexcept { return *home_; }
    /// Ends the lease before its destructor does: the core is not counted any more. home() stays, for what its owner
    /// still has to end there. May be called more than once.
    void release() noexcept;

  private:
    friend class placement;
    core_lease(placement& from, lease_kind kind, reactor& home) noexcept : from_(&from), home_(&home), kind_(kind) {}

    placement* from_ = nullptr;  ///< that counts it
    reactor* home_ = nullptr;
    lease_kind kind_{};
};

/// Assigns the cores of a group to disks and queue pairs. Lives on the control reactor.
class placement {
  public:
    /// `policy`: of disks.
    explicit placement(reactor_group& group, placement_policy policy = placement_policy::round_robin);
    placement(const placement&) = delete;
    placement& operator=(const placement&) = delete;

    reactor_group& group() const noexcept { return group_; }
    placement_policy policy() const noexcept { return policy_; }

    using predicate = std::function<bool(const reactor&)>;
    /// Disks by the policy; admin queues to each core in turn, because they do little; I/O queues where the fewest
    /// queues are. A core without room is passed over; without any, the lease is empty.
    core_lease lease(lease_kind kind, const predicate& has_room = {});
    /// Leases that have not ended.
    unsigned count_on(std::size_t core, lease_kind kind) const noexcept { return counts_[core][index(kind)]; }
    unsigned count(lease_kind kind) const noexcept;

  private:
    friend class core_lease;

    static constexpr std::size_t kinds = 3;
    static constexpr std::size_t index(lease_kind kind) noexcept { return static_cast<std::size_t>(kind); }

    std::optional<std::size_t> choose(lease_kind kind, const predicate& has_room);
    std::optional<std::size_t> next_in_turn(lease_kind kind, const predicate& has_room);
    template <class Weight>
    std::optional<std::size_t> lightest(const predicate& has_room, Weight weight_of) const;
    void end(lease_kind kind, const reactor& home) noexcept;

    reactor_group& group_;
    const placement_policy policy_;
    std::vector<std::array<unsigned, kinds>> counts_;  ///< by core
    std::array<std::size_t, kinds> next_{};            ///< core whose turn it is
};

}  // namespace causeway::core
