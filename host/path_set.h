// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "host/controller.h"
#include "host/log_pages.h"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace causeway::host {

class path_set;

/// A request for which path_set chooses the path: `done` is called with the subsystem's response, by any path.
struct path_request : request {
    // The path set's, from submit() to `done`.
    hook caller_done = nullptr;
    path_set* set = nullptr;
    path_request* next = nullptr;
    std::size_t path = 0;
};

struct path_set_options {
    controller_options controller;                                       ///< of each path
    core::nanoseconds reconnect_after = std::chrono::milliseconds(500);  ///< between two attempts
    core::nanoseconds no_path_timeout =
        std::chrono::seconds(60);  ///< without any path; then what waits ends with host_pathing_error
};

/// The controllers of one subsystem, and what commands take which: optimized before non-optimized, inaccessible never.
/// A command that a lost connection or a change of ANA state leaves undone is sent again by another path, or waits for
/// one.
///
/// Control lives on the reactor where start() was called; requests are submitted on the controllers' io_reactors, and
/// done there.
class path_set {
  public:
    path_set(std::vector<std::unique_ptr<connector>> ways, path_set_options o);
    /// REQUIRES: stop() has ended, or start() has failed.
    ~path_set();
    path_set(const path_set&) = delete;
    path_set& operator=(const path_set&) = delete;

    /// Ends when a first path is there; the others follow. The error is that of the last way.
    core::task<core::result<>> start();
    /// REQUIRES: no request is outstanding.
    core::task<> stop();

    /// On io_reactors[core]. Ends with `r.done`, later. REQUIRES: I/O commands; at most io_depth at a time on a core.
    void submit(std::size_t core, path_request& r) noexcept;
    /// As queue_pair::use_memory, for the queues of a core, now and later. On that core.
    void use_memory(std::size_t core, std::span<std::byte> memory);

    /// A connected controller, for queries that any path can answer; nullptr: none is connected now.
    controller* any() noexcept;
    std::size_t alive() const noexcept;
    std::uint64_t reconnects() const noexcept { return reconnects_; }
    std::uint64_t redriven(std::size_t core) const noexcept {
        return cores_[core].redriven;
    }  ///< on that core, or while it rests

  private:
    /// What a core knows of a path.
    struct view {
        queue_pair* queue = nullptr;
        bool has_ana = false;
        std::vector<std::pair<std::uint32_t, nvme::ana_state>> states;  ///< by namespace, ascending
    };
    struct per_core {
        std::vector<view> views;
        std::vector<std::span<std::byte>> memory;
        path_request *first_waiting = nullptr, *last_waiting = nullptr;
        std::size_t turn = 0;  ///< where the search for a path begins: among equals they take turns
        std::uint64_t redriven = 0;
        bool no_path_expired = false;
        std::unique_ptr<core::timer> again;
    };
    /// What the control side knows of it.
    struct way {
        std::unique_ptr<connector> by;
        std::unique_ptr<controller> its;
        std::unique_ptr<core::timer> again;
        bool reading_ana_log = false, ana_log_changed = false;
        core::one_shot<bool>* ana_read_waiter = nullptr;
    };

    void begin_task(core::task<> t);
    core::task<core::result<>> connect(std::size_t path);
    core::task<> drop(std::size_t path);
    core::task<> try_again(std::size_t path);
    core::task<> read_states(std::size_t path);
    core::task<> publish(std::size_t path, bool connected, std::vector<ana_group> groups);
    void lost(std::size_t path);
    void schedule_ana_read(std::size_t path);
    void update_no_path_timer();
    core::task<> lose(std::size_t path);
    core::task<> publish_no_path(bool no_path_expired);

    static void answered(request& r) noexcept;
    void retry(per_core& c, path_request& r) noexcept;
    bool send(per_core& c, path_request& r) noexcept;
    void wait(per_core& c, path_request& r) noexcept;
    void send_waiting(per_core& c) noexcept;
    nvme::ana_state state_of(const view& v, std::uint32_t nsid) const noexcept;
    per_core& core_of_caller() noexcept;
    std::size_t cores() const noexcept { return options_.controller.io_reactors.size(); }
    core::reactor& reactor_of(std::size_t core) const noexcept { return *options_.controller.io_reactors[core]; }

    const path_set_options options_;
    std::vector<way> ways_;
    std::vector<per_core> cores_;
    core::reactor* home_ = nullptr;
    bool stopping_ = false;
    unsigned tasks_ = 0;  ///< of the control side, that have not ended
    core::one_shot<bool>* tasks_waiter_ = nullptr;
    std::uint64_t reconnects_ = 0;
    std::unique_ptr<core::timer> no_path_timer_;
};

}  // namespace causeway::host
