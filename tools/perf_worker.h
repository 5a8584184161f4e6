// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"
#include "core/reactor.h"
#include "host/histogram.h"
#include "host/path_set.h"
#include "host/pattern.h"
#include "host/write_tracker.h"
#include "tools/perf_options.h"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

/// A namespace as perf sees it.
struct perf_disk {
    std::size_t way;  ///< the number of the perf_way that leads to it
    std::uint32_t nsid;
    std::uint32_t block_size;  ///< bytes
    std::uint64_t slots;       ///< commands that go beside each other into what may be used of it
};

/// How a core reaches disks: by a queue of its own, or by paths that it shares.
struct perf_way {
    host::queue_pair* queue = nullptr;
    host::path_set* paths = nullptr;
};

/// One direction, as one core has measured it.
struct perf_side {
    std::uint64_t commands = 0;
    host::histogram ticks;
};

/// The work of one core: keeps `depth` commands outstanding on each of its queues. All calls on its reactor, unless
/// noted.
class perf_worker {
  public:
    /// `ways`: this core's. `slice`: with verify, the part of each disk that is this core's, of `slices`.
    perf_worker(core::reactor& r, const perf_options& o, const std::vector<perf_disk>& disks,
                const std::vector<perf_way>& ways, unsigned slice, unsigned slices);

    enum class phase : std::uint8_t { idle, warming_up, measuring, reading_back };
    /// `idle` waits for outstanding commands. The others begin a phase; reading back ends when all has been read.
    void enter(phase p);
    /// All is over that enter() began. On its reactor.
    std::function<void()> on_idle;
    bool is_idle() const noexcept { return idle_.load(std::memory_order_acquire); }  ///< any thread

    /// Commands outstanding at a time, on all its queues: fewer than was asked for where a queue is not that deep.
    std::size_t depth() const noexcept { return jobs_.size(); }

    // Any thread.
    core::counter commands;  ///< done, since it was made
    core::counter verified_blocks;

    // While it is idle.
    const perf_side& side(bool writes) const noexcept { return sides_[writes]; }
    std::uint64_t failed() const noexcept { return failed_; }
    /// Why the measurement ended; empty if all is well.
    const std::string& trouble() const noexcept { return trouble_; }
    bool lost() const noexcept { return lost_; }  ///< the trouble is a lost connection

  private:
    struct free_memory {
        void operator()(std::byte* p) const noexcept { std::free(p); }
    };
    struct share {
        const perf_disk* disk;
        std::uint64_t first, slots;  ///< the part of it that is this core's
        std::uint64_t next;          ///< of a sequential run
        std::optional<host::pattern> pattern;
        std::optional<host::write_tracker> tracker;
    };
    struct queue {
        perf_way way;
        std::vector<share> shares;
    };
    struct job {
        host::path_request request;
        perf_worker* worker;
        queue* of;
        share* where = nullptr;
        std::uint64_t slot = 0;
        std::uint32_t generation = 0;
        core::ticks began = 0;
        iovec piece{};
        bool writes = false;
        bool is_out = false;
    };

    void prepare(job& j, queue& q, std::byte* memory);
    void start(job& j);
    bool submit(job& j);
    /// Why a command has no response; empty if it has one.
    std::string loss(const job& j) const;
    bool choose(job& j);
    bool choose_to_read_back(job& j);
    void send(job& j);
    void done(job& j);
    void fail(std::string why, bool lost = false);
    bool check(const job& j);
    void tell_if_idle();
    std::uint64_t random() noexcept {
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        return random_ >> 33;
    }

    core::reactor& reactor_;
    const perf_options& options_;
    std::vector<queue> queues_;
    std::vector<job> jobs_;
    std::unique_ptr<std::byte[], free_memory> memory_;
    std::size_t memory_bytes_ = 0;
    bool knows_memory_ = false;  ///< the queues do
    phase phase_ = phase::idle;
    std::atomic<bool> idle_{true};
    unsigned out_ = 0;
    std::uint64_t quota_, chosen_ = 0;
    std::uint64_t random_;
    perf_side sides_[2];
    std::uint64_t failed_ = 0;
    std::string trouble_;
    bool lost_ = false;
};

}  // namespace causeway::tools
