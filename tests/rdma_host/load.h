// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/histogram.h"
#include "host/pattern.h"
#include "host/write_tracker.h"
#include "tests/rdma_host/controller.h"

#include <atomic>
#include <optional>
#include <string>

namespace causeway::rdma_host {

using host::histogram;
using host::pattern;
using host::write_tracker;

/// What a load does.
struct load_options {
    controller_options host;
    bool sequential = false;
    unsigned write_percent = 0;
    bool verify = false;
    std::uint64_t region = 0;  ///< bytes from the start of the namespace; 0: all of it
    double seconds = 0;        ///< 0: until `count`, or until it is stopped
    std::uint64_t count = 0;   ///< commands; 0: until the time is over
    std::uint64_t rate = 0;    ///< commands a second; 0: as many as go
    std::uint64_t seed = 1;
    double reconnect = 0;                      ///< seconds for which it tries to connect again; 0: it does not
    double reset_every = 0;                    ///< seconds after which it resets the controller; 0: never
    std::chrono::milliseconds timeout{30000};  ///< of one command
};

/// One direction.
struct side {
    std::uint64_t commands = 0, bytes = 0;
    histogram nanoseconds;
};

struct outcome {
    side read, write;
    double seconds = 0;  ///< of the load, without what was read back at its end
    std::uint64_t verified_blocks = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t resets = 0;
    std::uint64_t redriven = 0;  ///< commands that a broken connection left unanswered, sent again
    std::uint64_t retried = 0;   ///< commands that were answered with a status that allows another try
};

/// The disk does not have what was acknowledged, or fails what it must do.
struct disk_is_wrong : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Keeps `depth` commands outstanding on each of `queues` queues of one controller; with `verify`, every block read is
/// compared with what was last acknowledged there, and at the end all that was written is read back.
///
/// A connection that breaks takes no command with it: those that were not answered are sent again on the next one. A
/// write among them has, until it is acknowledged, left either content in each block, old or new; the blocks are read
/// and held against that before it is written again. One thread; `stop` may be called on any.
class load {
  public:
    explicit load(const load_options& o);

    /// Until the count is reached, the time is over or `stop` was called. Throws `disk_is_wrong`, and
    /// `hostile::unexpected` when the connection is broken and is not to be, or cannot be, made again.
    outcome run();
    void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
    bool was_stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

  private:
    enum class kind { read, write, look };  ///< look: a read before a write is repeated

    struct worker {
        unsigned queue, slot;
        bool has_work = false, is_sent = false;
        kind what = kind::read;
        std::uint64_t disk_slot = 0;
        std::uint32_t generation = 0;
        clock::time_point due, began, sent;
    };
    enum class phase { driving, reading_back };

    void connect();
    void connect_again(const std::string& why);
    void first_look_at_disk();
    void drive();  ///< until no worker has work
    bool turn();   ///< false: no worker has work, nor gets any
    void housekeeping(clock::time_point now);
    void wait();
    bool choose(worker& w);
    bool choose_in_order(worker& w);
    void send(worker& w);
    void answered(worker& w, const nvme::completion& c);
    void check(const worker& w, std::span<const std::byte> data);
    void acknowledged(worker& w);
    std::uint64_t random() noexcept;
    std::uint64_t lba_of(const worker& w) const noexcept { return w.disk_slot * blocks_each_; }
    worker& worker_of(unsigned queue, unsigned slot) { return workers_[queue * options_.host.depth + slot]; }

    const load_options options_;
    std::unique_ptr<controller> controller_;
    std::optional<pattern> pattern_;
    std::optional<write_tracker> tracker_;
    std::vector<worker> workers_;
    outcome outcome_;
    phase phase_ = phase::driving;
    std::uint64_t disk_slots_ = 0, next_disk_slot_ = 0, chosen_ = 0, random_;
    std::uint32_t blocks_each_ = 1;
    clock::time_point start_, end_ = clock::time_point::max(), next_reset_ = clock::time_point::max();
    clock::time_point next_due_, next_housekeeping_;
    std::atomic<bool> stopped_ = false;
};

}  // namespace causeway::rdma_host
