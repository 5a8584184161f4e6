// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "host/loop/commands.h"
#include "host/loop/host_request.h"
#include "nvmf/transport.h"
#include "transport/loop/link.h"

#include <cstdint>
#include <functional>
#include <span>

namespace causeway::loop {

/// The host's end of one queue. Lives on the reactor where open() was called; one use: opened, and closed for good.
class host_queue final : private host_end {
  public:
    explicit host_queue(loop_transport& t) noexcept : transport_(t) {}
    /// REQUIRES: never opened, or closed.
    ~host_queue();
    host_queue(const host_queue&) = delete;
    host_queue& operator=(const host_queue&) = delete;

    /// Makes the connection. Errors: ECONNREFUSED, EINVAL, ECONNRESET (gone again at once).
    core::task<core::result<>> open(nvmf::transport_address at, std::uint16_t qid, std::uint16_t entries);
    /// Fabrics Connect on the open connection; of success, dw0 holds the controller's id.
    core::task<nvme::completion> connect(connect_parameters p);

    /// False: not open, or entries - 1 commands are outstanding; nothing has happened then. `r` and the memory it
    /// points at are the target's until `r.done` is called.
    bool submit(host_request& r) noexcept;
    /// Submits as soon as there is room and waits for the answer.
    core::task<nvme::completion> run(nvme::command command, std::span<const iovec> data = {});

    /// Begins to close. What is outstanding is answered, or ends with host_pathing_error; where data is copied the
    /// target may go on with such commands for a while, as over a network.
    void disconnect() noexcept;
    /// Ends when it is closed, by whichever side. One waiter.
    core::task<> closed();
    std::function<void()> on_closed;  ///< may destroy this

    enum class state : std::uint8_t { idle, open, closing, closed };
    state phase() const noexcept { return phase_; }
    unsigned outstanding() const noexcept { return outstanding_; }
    std::uint16_t entries() const noexcept { return entries_; }
    core::reactor* home() const noexcept { return home_; }
    /// The number of its connection, from 1; 0 before open() has ended.
    std::uint64_t connection() const noexcept { return connection_; }
    /// SQHD of the last answer.
    std::uint16_t sq_head() const noexcept { return sq_head_; }
    /// Responses without an outstanding command.
    std::uint64_t unexpected() const noexcept { return unexpected_; }

  private:
    void answered(slot& s) noexcept override;
    void severed() noexcept override;

    loop_transport& transport_;
    core::reactor* home_ = nullptr;
    link* link_ = nullptr;
    state phase_ = state::idle;
    std::uint16_t entries_ = 0;
    std::uint16_t first_free_ = 0;
    std::uint16_t outstanding_ = 0;
    std::uint16_t sq_head_ = 0;
    std::uint64_t connection_ = 0;
    std::uint64_t unexpected_ = 0;
    core::one_shot<bool>* waiting_ = nullptr;
};

}  // namespace causeway::loop
