// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "host/loop/host_queue.h"
#include "nvme/command.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::bench {

/// What a load does.
struct load_options {
    std::uint32_t nsid = 1;
    std::uint32_t namespaces = 1;  ///< from `nsid` on; each command goes to one of them
    std::uint32_t block_size = 512;
    std::uint64_t blocks = 0;    ///< of the namespace
    std::uint32_t bytes = 4096;  ///< of one command
    unsigned depth = 32;
    unsigned write_percent = 0;
    std::uint64_t seed = 1;
};

/// Keeps so many commands outstanding on one queue. Lives on the queue's reactor; the counters may be read anywhere.
class load {
  public:
    load(loop::host_queue& q, const load_options& o);

    void start();
    /// Sends no more; ends when all have been answered.
    core::task<> stop();

    std::uint64_t completed() const noexcept { return completed_.get(); }
    std::uint64_t failed() const noexcept { return failed_.get(); }
    std::uint64_t nanoseconds() const noexcept { return nanoseconds_.get(); }  ///< of all, summed up

  private:
    struct flight : loop::host_request {
        load* of = nullptr;
        iovec piece{};
        core::ticks sent = 0;
    };
    void send(flight& c) noexcept;
    void answered(flight& c) noexcept;

    loop::host_queue& queue_;
    const load_options options_;
    const core::clock* time_ = nullptr;
    std::uint64_t random_;
    std::vector<std::byte> memory_;
    std::vector<std::unique_ptr<flight>> flights_;
    bool stopping_ = false;
    unsigned outstanding_ = 0;
    core::counter completed_, failed_, nanoseconds_;
};

}  // namespace causeway::bench
