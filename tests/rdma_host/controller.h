// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/hostile/nvme_host.h"
#include "tests/rdma_host/io_queue.h"

#include <chrono>
#include <memory>
#include <vector>

namespace causeway::rdma_host {

using clock = std::chrono::steady_clock;

struct controller_options {
    endpoint at;
    unsigned queues = 1;
    unsigned depth = 32;
    std::uint32_t bytes = 4096;  ///< of a command, at most
    bool events = false;
    std::chrono::milliseconds keep_alive{15000};  ///< 0: no timer
    bool silent = false;                          ///< sends no Keep Alive for all that
};

/// A disk as a good host has it: an enabled controller, I/O queues, and what Identify says. Not thread safe.
class controller {
  public:
    /// Connects all of it. Throws `hostile::unexpected`.
    explicit controller(const controller_options& o);
    controller(const controller&) = delete;

    /// Ends in order, as `nvme disconnect` does: shutdown, then the queues go.
    void shut_down();
    /// Drops the I/O queues and disables the controller, as a host does that resets it. What remains is to be
    /// destroyed.
    void reset();

    std::vector<std::unique_ptr<io_queue>>& queues() noexcept { return queues_; }
    std::uint32_t block_size() const noexcept { return block_size_; }
    std::uint64_t blocks() const noexcept { return blocks_; }

    /// Keep Alive, and what the connections have to say. To be called now and then.
    void look_after();
    clock::time_point next_look() const noexcept { return next_keep_alive_; }
    /// Why this controller is of no use any more; empty while it is.
    std::string broken() const;
    int admin_connection() const noexcept { return admin_->descriptor(); }

  private:
    void connect_admin();
    void identify();
    void request_io_queues();
    void set_and_wait(std::uint32_t cc, std::uint32_t csts_mask, std::uint32_t csts_value);

    const controller_options options_;
    std::unique_ptr<hostile::raw_connection> admin_;
    std::vector<std::unique_ptr<io_queue>> queues_;
    std::uint16_t cntlid_ = 0;
    std::uint32_t block_size_ = 512;
    std::uint64_t blocks_ = 0;
    std::uint32_t in_capsule_ = 0;
    bool waits_for_keep_alive_ = false;
    clock::time_point next_keep_alive_ = clock::time_point::max();
    std::string broken_;
};

}  // namespace causeway::rdma_host
