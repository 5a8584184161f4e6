// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/admin_queue.h"
#include "bdev_nvme/function.h"
#include "bdev_nvme/host_memory.h"
#include "bdev_nvme/identity.h"
#include "bdev_nvme/queue_pair.h"
#include "core/async_mutex.h"
#include "core/gate.h"
#include "core/reactor_group.h"
#include "core/task.h"
#include "nvme/log_page.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::bdev_nvme {

/// What to do with a command that times out.
enum class timeout_action : std::uint8_t {
    none,   ///< it is counted and logged
    reset,  ///< the controller is reset
    abort,  ///< it is aborted; if that does not help, the controller is reset
};

struct controller_options {
    core::nanoseconds io_timeout = std::chrono::seconds(30);  ///< 0: none
    core::nanoseconds admin_timeout = std::chrono::seconds(30);
    timeout_action on_timeout = timeout_action::abort;
    core::nanoseconds admin_poll_period = std::chrono::milliseconds(10);  ///< for events
    unsigned io_queues = 1024;  ///< at most; the driver wants one for each core
    std::uint32_t queue_entries = 256;
};

/// An NVMe controller: initialized as specified, with a queue pair for each core, reset when it misbehaves, and failed
/// if a reset does not help. NVM Express Base Specification 2.0.
///
/// Control reactor, but for queue_for() and what it returns. Held by shared_ptr. REQUIRES: close() before the last
/// reference goes.
class controller final : public std::enable_shared_from_this<controller>, queue_pair::owner {
  public:
    enum class state : std::uint8_t {
        enabled,
        resetting,  ///< I/O waits
        failed,     ///< I/O is refused, until a reset by the operator succeeds
        removed,    ///< the function was removed, or is being removed
        closed,
    };

    /// Attaches the device in any state that its last owner left. ENODEV, ETIMEDOUT, EIO, ENOTSUP, ENOMEM; then the
    /// function has been released.
    static core::task<core::result<std::shared_ptr<controller>>>
    start(core::reactor_group& group, std::unique_ptr<function> f, controller_options o);
    ~controller() override;

    const std::string& address() const noexcept { return address_; }
    int numa_node() const noexcept { return numa_node_; }
    state now() const noexcept { return state_; }
    const controller_info& info() const noexcept { return info_; }

    /// The namespaces as they were found last, in order; those that cannot be served with the reason.
    struct found_namespace {
        std::uint32_t nsid;
        core::result<namespace_info> info;
    };
    const std::vector<found_namespace>& namespaces() const noexcept { return namespaces_; }

    /// The queue that I/O of a core goes to: its own, unless the controller has fewer than there are cores. Any
    /// reactor.
    queue_pair& queue_for(std::size_t core) const noexcept { return *queue_of_core_[core]; }
    std::size_t queue_count() const noexcept { return queue_count_; }
    const queue_pair& queue(std::size_t i) const noexcept { return *queues_[i]; }

    /// Commands in flight end as interrupted, I/O that comes meanwhile waits. ENODEV, and the errors of start(); then
    /// it has failed.
    core::task<core::result<>> reset(std::string why);
    /// Shuts the controller down and releases the function. REQUIRES: no I/O on it any more.
    core::task<> close();

    /// The SMART / Health log page, as read last.
    const nvme::smart_log* health() const noexcept { return health_ ? &*health_ : nullptr; }
    /// Reads it now.
    core::task<core::result<>> read_health();

    void set_options(const controller_options& o);
    const controller_options& options() const noexcept { return options_; }

    struct statistics {
        std::uint64_t resets = 0, failed_resets = 0, aborts = 0, events = 0;
    };
    const statistics& stats() const noexcept { return stats_; }

    /// Notifies the owner of the controller. Called on the control reactor.
    struct observer {
        virtual ~observer() = default;
        virtual void namespaces_changed(controller& c) = 0;
        virtual void health_changed(controller& c) = 0;
        /// The function is being removed: remove all devices, and close() it.
        virtual void removed(controller& c) = 0;
    };
    void observe(observer* o) noexcept { observer_ = o; }

  private:
    controller(core::reactor_group& group, std::unique_ptr<function> f, controller_options o);

    // controller_setup.cc: the admin commands of bring-up.
    core::task<core::result<>> bring_up();
    core::task<core::result<>> identify();
    core::task<core::result<>> set_up_host_memory_buffer();
    core::task<core::result<>> negotiate_queue_count();
    core::task<core::result<>> set_up_shadow_doorbells();
    core::task<core::result<>> create_queue(std::size_t i);
    core::task<> delete_queues();
    core::task<core::result<>> find_namespaces();
    core::task<core::result<std::vector<std::uint32_t>>> active_namespaces();
    core::task<core::result<namespace_info>> read_namespace_info(std::uint32_t nsid, const command_limits& limits);
    core::task<> request_events();
    template <class Page>
    core::task<core::result<>> read_page(nvme::command c, Page& page);

    // controller_events.cc
    void listen(unsigned requests);
    void on_event(std::uint32_t dw0);
    core::task<> handle_event(nvme::async_event_view e);
    void watch();

    core::task<core::result<>> reset_now(std::string why);
    core::task<> stop_io();
    core::task<> disable_dma();
    core::task<> abort_outstanding(nvme::status s);
    core::task<> open_queues();
    core::task<> fail_queues();
    core::task<> close_for_good(state s);
    core::task<> lose();
    core::task<> propagate_timeout();
    core::task<> abort(std::uint16_t qid, std::uint16_t cid);
    void schedule_reset(std::string why);

    void queue_broken(queue_pair& q, const char* why) noexcept override;
    void command_timed_out(queue_pair& q, std::uint16_t cid, bool again) noexcept override;
    doorbell doorbell_at(std::size_t offset) const noexcept { return doorbell(registers_.doorbell(offset)); }

    core::reactor_group& group_;
    std::unique_ptr<function> function_;  ///< nullptr once it had to be released: see disable_dma()
    const std::string address_;
    const int numa_node_;
    controller_options options_;
    const register_file registers_;
    state state_ = state::resetting;
    observer* observer_ = nullptr;

    admin_queue admin_;
    std::vector<std::unique_ptr<queue_pair>> queues_;  ///< one for each core; the first `queue_count_` are in use
    std::vector<queue_pair*> queue_of_core_;
    std::size_t queue_count_ = 1;
    std::uint32_t queue_entries_ = 0;
    controller_info info_;
    host_memory host_memory_;
    core::dma_memory shadows_;  ///< shadow doorbells, and behind them their event indices
    bool shadowed_ = false;     ///< the controller looks at them
    std::vector<found_namespace> namespaces_;
    std::optional<nvme::smart_log> health_;
    std::optional<core::timer> watch_;
    unsigned watch_turns_ = 0;
    core::gate events_in_progress_;
    core::async_mutex one_at_a_time_;  ///< resets, and the end
    bool reset_wanted_ = false;        ///< by itself, and not begun
    std::string broken_meanwhile_;     ///< why it is to be reset once more as soon as it is enabled
    statistics stats_;
};

std::string_view to_string(controller::state s) noexcept;  ///< "enabled", "resetting", "failed", "removed", "closed"

}  // namespace causeway::bdev_nvme
