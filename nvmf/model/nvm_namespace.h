// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/async_mutex.h"
#include "core/event.h"
#include "core/gate.h"
#include "core/reactor_group.h"
#include "core/task.h"
#include "nvmf/model/namespace_qos.h"
#include "nvmf/model/namespace_reservation.h"
#include "nvmf/model/visibility.h"
#include "nvmf/reservation/enforcement.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf {

class namespaces;

using nguid = std::array<std::uint8_t, 16>;
using eui64 = std::array<std::uint8_t, 8>;

/// Why I/O commands on a namespace may have to be refused: a bit each in the byte `refusals` of its entry on every
/// core. The byte is compared with 0 where a command enters, and that is all while no bit is set; check_refusals() says
/// what a bit that is set refuses.
///
/// Each bit has one owner on the control reactor, who knows all reasons for it, decides whether it is set, and visits
/// every core when that changes: cores count nothing. Where commands that were checked before must not run unchecked,
/// the visit also gives the entry a new `admission`. The name `suspended` (moves of a disk) is reserved for an owner to
/// come.
namespace refusal {
inline constexpr std::uint8_t read_only = 1 << 0;    ///< its device cannot be written, as long as it lives
inline constexpr std::uint8_t ana = 1 << 1;          ///< some controller may not use its ANA group: see ana_groups
inline constexpr std::uint8_t reservation = 1 << 2;  ///< a host holds a reservation, or is about to get or lose it
inline constexpr std::uint8_t masked = 1 << 3;       ///< not all hosts see it: `seen_by` says which do
/// It has limits: not a refusal, but commands may have to wait for credit (core_namespace::qos).
inline constexpr std::uint8_t throttled = 1 << 4;
/// Besides `throttled`: hosts have limits of their own, so whose command it is matters.
inline constexpr std::uint8_t throttled_by_host = 1 << 5;
}  // namespace refusal

/// Control reactor. A number for core_namespace::admission that has not been used before.
std::uint64_t next_admission() noexcept;

/// What a core knows of a namespace's ANA group.
struct ana_access {
    std::uint32_t group = 0;
    bool may_refuse = false;      ///< some controller may not use the group
    std::uint64_t admission = 0;  ///< a new one
};

/// What one core needs to run I/O on a namespace. Only that core accesses it.
struct alignas(128) core_namespace {  // 128: adjacent lines are fetched in pairs
    bdev::device* device = nullptr;
    std::uint64_t generation = 0;  ///< never used twice: a namespace that is removed and added again is another one
    /// A command that was checked keeps this, and is checked again if it has changed when the command executes. From
    /// the same numbers as `generation`, and at least that.
    std::uint64_t admission = 0;
    std::uint32_t nsid = 0;
    std::uint8_t block_shift = 0;
    std::uint8_t refusals = 0;  ///< bits of `refusal`
    std::uint32_t ana_group = 0;
    std::uint64_t max_zeroes = 0;      ///< blocks of one Write Zeroes; 0: no limit
    std::uint64_t max_deallocate = 0;  ///< blocks of one range of Dataset Management; 0: no limit
    bool has_reservations = false;     ///< its reservation commands are served
    std::shared_ptr<const nvmf::reservation::enforcement> reservation{};  ///< while that bit is set

    core_qos* qos = nullptr;           ///< while it is throttled
    std::uint32_t in_flight = 0;       ///< commands of this core
    core::message* drained = nullptr;  ///< posted when in_flight falls to 0

    std::shared_ptr<const visible_hosts> seen_by{};

    /// `new_admission`: from next_admission().
    void set(std::shared_ptr<const nvmf::reservation::enforcement> e, std::uint64_t new_admission) noexcept {
        refusals = static_cast<std::uint8_t>((refusals & ~refusal::reservation) | (e ? refusal::reservation : 0));
        reservation = std::move(e);
        admission = new_admission;
    }
    void show_to(std::shared_ptr<const visible_hosts> hosts, std::uint64_t new_admission) noexcept;
    bool is_hidden_from(std::uint64_t host_number) const noexcept {
        return (refusals & refusal::masked) && !seen_by->contains(host_number);
    }
    void set(const ana_access& a) noexcept {
        refusals = static_cast<std::uint8_t>((refusals & ~refusal::ana) | (a.may_refuse ? refusal::ana : 0));
        ana_group = a.group;
        admission = a.admission;
    }
};

/// The namespaces of a subsystem by nsid, as one core's I/O sees them. Changed on that core.
class namespace_table {
  public:
    core_namespace* find(std::uint32_t nsid) const noexcept {
        const std::uint32_t i = nsid - 1;  // an nsid of 0 becomes the highest index
        return i < slots_.size() ? slots_[i] : nullptr;
    }
    /// The first with an nsid above `nsid`; nullptr: none.
    core_namespace* after(std::uint32_t nsid) const noexcept {
        for (std::size_t i = nsid; i < slots_.size(); ++i)
            if (slots_[i])
                return slots_[i];
        return nullptr;
    }
    void insert(core_namespace& ns);
    /// Does nothing if another namespace has taken the nsid already.
    void remove(const core_namespace& ns) noexcept;
    /// Likewise.
    void replace(const core_namespace& ns, core_namespace& by) noexcept;

  private:
    std::vector<core_namespace*> slots_;
};

/// A device under an nsid of a subsystem. Control reactor, but for its core_namespaces.
class nvm_namespace final : public bdev::observer, public std::enable_shared_from_this<nvm_namespace> {
  public:
    struct identity {
        std::uint32_t nsid = 0;
        nvmf::nguid nguid{};
        std::optional<nvmf::eui64> eui64;
        bdev::uuid uuid{};
    };

    /// What its subsystem allows of one command.
    struct limits {
        std::uint8_t wzsl = 0;    ///< of Write Zeroes: 2^n pages of 4 KiB; 0: no limit
        std::uint32_t dmrsl = 0;  ///< of one range of Dataset Management, in blocks; 0: no limit
    };

    nvm_namespace(namespaces& owner, identity id, const limits& l, visible_hosts seen_by,
                  std::shared_ptr<bdev::device> device, std::unique_ptr<nvmf::reservation::store> reservations,
                  std::string ptpl_file);
    ~nvm_namespace() override;

    std::uint32_t nsid() const noexcept { return id_.nsid; }
    const nvmf::nguid& nguid() const noexcept { return id_.nguid; }
    const std::optional<nvmf::eui64>& eui64() const noexcept { return id_.eui64; }
    const bdev::uuid& uuid() const noexcept { return id_.uuid; }
    bdev::device& device() const noexcept { return *device_; }
    std::uint64_t blocks() const noexcept { return device_->blocks(); }
    bool read_only() const noexcept { return device_->capabilities().read_only; }

    /// Of its core_namespaces.
    std::uint64_t generation() const noexcept { return generation_; }
    namespace_reservation& reservation() noexcept { return reservation_; }
    const namespace_reservation& reservation() const noexcept { return reservation_; }
    /// As the operator gave it; empty: none.
    const std::string& ptpl_file() const noexcept { return ptpl_file_; }

    /// All cores know it: those hosts see it that its visibility includes.
    bool active() const noexcept { return active_; }
    nvmf::visibility& visibility() noexcept { return visibility_; }
    const nvmf::visibility& visibility() const noexcept { return visibility_; }

    // ---- Its ANA group, as `ana_groups` changes it.

    std::uint32_t ana_group() const noexcept { return ana_group_; }
    void set_ana_group(std::uint32_t group) noexcept { ana_group_ = group; }
    bool ana_may_refuse() const noexcept { return ana_may_refuse_; }
    /// What every core has to be told now.
    ana_access change_ana_access(bool may_refuse) noexcept {
        ana_may_refuse_ = may_refuse;
        return {ana_group_, may_refuse, next_admission()};
    }

    // ---- What single hosts may start (nvm_namespace_qos.cc).

    /// Ends when it holds on every core. EINVAL: not a host NQN, or a weight of 0; ENODEV: it is removed meanwhile.
    core::task<core::result<>> set_host_share(std::string host_nqn, host_share share);
    const std::map<std::string, host_share>& host_shares() const noexcept { return host_shares_; }  ///< by NQN

    // ---- What happens to it, as `namespaces` decides, in this order.

    /// EBUSY: something else has claimed the device.
    core::result<> claim_device() { return device_->claim(*this); }
    /// What the table of one core refers to. Only that core accesses it.
    core_namespace& on_core(std::size_t core) noexcept { return *cores_.on(core); }
    void activate() noexcept { active_ = true; }
    /// It is not listed any more; nothing that its device reports concerns anybody. May come before activate().
    void remove() noexcept;
    bool is_removed() const noexcept { return !owner_; }
    /// Ends when no core has a command on it. REQUIRES: no table has it any more.
    core::task<> drain();
    /// What it returns is set when the commands that cores have on it now have ended, whatever comes meanwhile.
    std::shared_ptr<core::event> end_executing();
    /// For that. `tables`: what finds it.
    core::task<> drain_executing(core::per_core<namespace_table>& tables);
    void announce_reservation(const std::vector<nvmf::reservation::notification>& what);
    void release_device();
    /// No core has a command on it any more, and its device is free.
    core::event& released() noexcept { return released_; }

  private:
    void resized(bdev::device& d, std::uint64_t blocks) override;
    void health_changed(bdev::device& d) override;
    void removed(bdev::device& d) override;
    core::task<> rate_limits_changed(bdev::device&) override { return apply_limits(); }

    // ---- nvm_namespace_qos.cc
    namespace_qos& qos();
    void begin_with_limits();
    core::task<> apply_limits();
    core::task<> tell_cores(const std::string* host, rate_limiter* limits);
    core::task<> close_qos();
    void show_limits(std::size_t core) noexcept;

    namespaces* owner_;  ///< nullptr once it is removed
    const identity id_;
    const std::shared_ptr<bdev::device> device_;
    const std::uint64_t generation_;
    core::per_core<std::unique_ptr<core_namespace>> cores_;
    nvmf::visibility visibility_;
    std::uint32_t ana_group_ = 0;
    bool ana_may_refuse_ = false;  ///< as cores know it, or are being told
    core::gate draining_executing_;
    std::shared_ptr<core::event> executing_;  ///< of the last end_executing(); since remove(): of drain()
    namespace_reservation reservation_;
    const std::string ptpl_file_;
    bool active_ = false;
    core::event released_;
    std::map<std::string, host_share> host_shares_;  ///< those that are not the default
    core::async_mutex changing_limits_;
    std::unique_ptr<namespace_qos> qos_;  ///< since it first had a limit
};

}  // namespace causeway::nvmf
