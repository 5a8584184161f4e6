// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "core/event.h"
#include "host/controller.h"
#include "host/pattern.h"
#include "host/rdma_queue_pair.h"
#include "host/write_tracker.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::rdma_host {

/// What a load does.
struct load_options {
    host::address to{.transport = "rdma", .host = "127.0.0.1", .service = "4420"};
    std::string subnqn, hostnqn;
    std::uint32_t nsid = 1;
    unsigned queues = 1;
    unsigned depth = 32;         ///< commands outstanding on each queue
    std::uint32_t bytes = 4096;  ///< of one command
    unsigned read_percent = 100;
    bool sequential = false;
    bool verify = false;
    std::uint64_t region = 0;  ///< bytes from the start of the namespace; 0: all of it
    double seconds = 0;        ///< 0: until `count` is reached, or stop() is called
    std::uint64_t count = 0;   ///< commands; 0: until the time is over
    std::uint64_t rate = 0;    ///< commands per second; 0: as many as possible
    std::uint64_t seed = 1;
    double reconnect = 0;    ///< seconds for which it tries to connect again; 0: a lost connection is an error
    double reset_every = 0;  ///< seconds between two resets of the controller; 0: never
    std::uint32_t kato_ms = 15000;
};

/// What a load has done.
struct outcome {
    struct direction {
        std::uint64_t commands = 0, bytes = 0;
    };
    direction read, write;
    double seconds = 0;  ///< without the reading back at the end
    std::uint64_t verified_blocks = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t resets = 0;
    std::uint64_t redriven = 0;  ///< commands that were sent again because their connection was lost
    std::uint64_t retried = 0;   ///< commands that were sent again because their status allowed it
    std::string trouble;         ///< why the load ended early; empty if all is well
    bool disk_is_wrong = false;  ///< the trouble is wrong data or a failed command, not a lost connection
};

/// Keeps `depth` commands outstanding on each of `queues` queues of one controller. With `verify`, every block that is
/// read is compared with what was last acknowledged there, and at the end all that was written is read back.
///
/// A lost connection loses no command: those without a response are sent again on the next connection. Until such a
/// write is acknowledged, each of its blocks holds either the old content or the new; the blocks are read and compared
/// with both before the write is sent again, because the second write would hide a torn or foreign block.
///
/// Lives on one reactor; stop() may be called on any thread, and in a signal handler.
class load {
  public:
    explicit load(const load_options& o);

    /// Connects, runs the load and disconnects. Once, on its reactor.
    core::task<outcome> run();
    void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
    bool was_stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

  private:
    using clock = std::chrono::steady_clock;

    /// One of the commands that are outstanding at a time.
    struct worker {
        unsigned queue;
        std::span<std::byte> data;
        bool writes = false;
        std::uint64_t slot = 0;  ///< the command's part of the disk, in units of its size
        std::uint32_t generation = 0;
        clock::time_point due;
    };
    enum class phase { driving, reading_back };
    struct free_memory {
        void operator()(std::byte* p) const noexcept { std::free(p); }
    };

    core::task<core::result<>> connect();
    core::task<core::result<>> connect_once();
    core::task<core::result<>> prepare_disk();
    core::task<> connect_again(std::string why);
    core::task<> reset();
    core::task<> disable_controller();

    core::task<> drive(phase p);
    core::task<> wait_for_change();
    core::task<> work(worker& w);
    core::task<bool> complete(worker& w);
    core::task<nvme::status> send(worker& w, nvme::io_opcode opcode);
    bool choose(worker& w);
    bool choose_to_read_back(worker& w);
    bool check(const worker& w);
    void acknowledge(const worker& w);
    void fail(std::string why, bool disk_is_wrong);
    bool has_failed() const noexcept { return !outcome_.trouble.empty(); }
    void close_io_queues();
    std::uint64_t random() noexcept;
    std::uint64_t lba_of(const worker& w) const noexcept { return w.slot * blocks_each_; }

    const load_options options_;
    host::rdma_connector connector_;
    std::unique_ptr<host::controller> controller_;
    core::event connected_;  ///< set while commands may be sent, and after a failure
    std::string lost_;       ///< why the connection was lost; empty while it is there
    core::condition_variable changed_;

    std::unique_ptr<std::byte[], free_memory> memory_;
    std::size_t memory_bytes_ = 0;
    std::vector<worker> workers_;
    std::size_t working_ = 0;
    std::optional<host::pattern> pattern_;
    std::optional<host::write_tracker> tracker_;
    outcome outcome_;
    phase phase_ = phase::driving;
    std::uint64_t slots_ = 0, next_slot_ = 0, chosen_ = 0, random_;
    std::uint32_t blocks_each_ = 1;
    clock::time_point end_ = clock::time_point::max(), next_reset_ = clock::time_point::max(), next_due_;
    std::atomic<bool> stopped_ = false;
};

}  // namespace causeway::rdma_host
