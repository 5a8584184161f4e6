// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/log_page.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace causeway::host::testing {

struct memory_target_options {
    std::uint64_t blocks = 2048;  ///< of 512 bytes, of each namespace
    std::uint32_t namespaces = 1;
    std::uint32_t in_capsule_data = 8192;
    std::uint32_t max_h2c_data = 8192;
    std::uint32_t max_c2h_data = 1 << 20;  ///< bytes in one C2HData
    std::uint32_t r2t_bytes = 16384;       ///< that one R2T asks for
    std::uint8_t alignment = 0;            ///< CPDA
    bool digests = true;                   ///< those that the host asks for
    bool success_flag = true;
    std::uint8_t mdts = 8;  ///< 2^8 pages
    bool polls = false;     ///< I/O queues, instead of sleeping
};

/// A controller over TCP, on a port of the loopback, that serves reads and writes on memory: strict about what a host
/// may send, and without anything of the gateway's own. Threads of its own: one for each connection.
class memory_target {
  public:
    /// `twin`: the same disks by another way.
    explicit memory_target(memory_target_options o = {}, const memory_target* twin = nullptr);
    ~memory_target();

    std::uint16_t port() const noexcept { return port_; }
    static constexpr const char* subnqn = "nqn.2024-01.io.example:memory";

    /// Called before each I/O command is served: a status to answer with instead. Any thread.
    std::function<nvme::status(const nvme::command&)> refuse;
    /// Sets the ANA state of all namespaces by this path, and sends hosts an event.
    void set_ana(nvme::ana_state s);
    /// Breaks all connections that there are.
    void break_connections();

    /// What hosts have done wrong; empty if all was right.
    std::string complaint();
    unsigned connections_made() const noexcept { return made_.load(); }

  private:
    friend class memory_connection;
    void accept_all();
    void complain(std::string what);

    const memory_target_options options_;
    const std::shared_ptr<std::vector<std::vector<std::byte>>> disks_;
    int listener_;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::string complaint_;
    std::list<class memory_connection*> connections_;
    std::atomic<nvme::ana_state> ana_{nvme::ana_state::optimized};
    std::atomic<unsigned> ana_changes_{0};
    std::vector<std::thread> threads_;
    std::atomic<unsigned> made_{0};
    std::thread acceptor_;
};

}  // namespace causeway::host::testing
