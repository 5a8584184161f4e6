// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "host/request.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace causeway::host {

/// A connection that carries commands and their completions: the seam of the initiator's transports. Made, used and
/// destroyed on one reactor. It is used once: a lost connection is not opened again.
class queue_pair {
  public:
    explicit queue_pair(unsigned depth) noexcept : depth_(depth) {}
    /// REQUIRES: nothing is outstanding (after close()), and not in a request's `done` nor in `on_lost`.
    virtual ~queue_pair() = default;
    queue_pair(const queue_pair&) = delete;
    queue_pair& operator=(const queue_pair&) = delete;

    /// False: not open, or depth() commands are outstanding; the request is unchanged. All requests submitted in a turn
    /// of the reactor are sent together at its end.
    virtual bool submit(request& r) noexcept = 0;

    /// Data in this memory need not be copied, where the transport makes a difference; it stays valid as long as this.
    /// False: the device takes no more of it.
    virtual bool use_memory(std::span<std::byte> memory) {
        (void)memory;
        return true;
    }

    /// Ends the connection. What is outstanding ends with host_pathing_error, before this returns. `on_lost` is not
    /// called.
    virtual void close() noexcept = 0;

    bool is_open() const noexcept { return open_; }
    unsigned depth() const noexcept { return depth_; }
    unsigned outstanding() const noexcept { return outstanding_; }

    /// Why the connection failed; empty while it is usable, and after close().
    const std::string& trouble() const noexcept { return trouble_; }
    /// The connection has been lost, all its requests are done. Once.
    std::function<void()> on_lost;

    /// Submits, waiting for room if need be, and waits for the answer. On this reactor.
    core::task<nvme::completion> run(nvme::command command, std::span<const iovec> data = {});

  protected:
    const unsigned depth_;
    unsigned outstanding_ = 0;
    bool open_ = false;
    std::string trouble_;
};

/// The parameters of a queue pair.
struct queue_pair_options {
    std::uint16_t qid = 0;              ///< 0: the admin queue
    std::uint16_t cntlid = 0xffff;      ///< of the controller it will belong to, as far as it is known
    unsigned depth = 32;                ///< commands outstanding
    std::uint32_t in_capsule_data = 0;  ///< bytes that the controller takes with an I/O command (IOCCSZ)
};

/// Makes queue pairs to one address of a target. Each transport implements it.
class connector {
  public:
    virtual ~connector() = default;
    /// Connects at the level of the transport; the caller sends the Connect command. The queue pair belongs to the
    /// current reactor. The error says which target could not be reached, and why.
    virtual core::task<core::result<std::unique_ptr<queue_pair>>> open(queue_pair_options o) = 0;
    /// "tcp 10.0.0.1:4420"
    virtual std::string name() const = 0;
};

/// The completion that this side makes up for a command whose connection was lost.
inline nvme::completion lost_completion() noexcept {
    nvme::completion c{};
    c.set_status(nvme::sc::host_pathing_error);
    return c;
}

}  // namespace causeway::host
