// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/dma_memory.h"
#include "core/random.h"
#include "core/task.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::bench {

/// Keeps so many I/Os outstanding on a device, from one core, with no fabric between. Made and destroyed anywhere while
/// it does not run; otherwise on its core, but for the counters.
class device_load {
  public:
    struct options {
        std::uint32_t bytes = 4096;
        unsigned depth = 32;
        unsigned write_percent = 0;
        std::uint64_t seed = 1;
        std::uint64_t most = UINT64_MAX;  ///< I/Os, then it stops by itself
    };

    device_load(bdev::device& d, options o);

    void start();
    /// Begins no more; ends when all have ended.
    core::task<> stop();
    bool stopped() const noexcept { return outstanding_ == 0; }

    std::uint64_t completed() const noexcept { return completed_.get(); }
    std::uint64_t failed() const noexcept { return failed_.get(); }

  private:
    struct flight : bdev::io {
        iovec piece{};
    };
    void send(flight& f) noexcept;

    bdev::device& device_;
    const options options_;
    const std::uint64_t slots_;  ///< places on the device that an I/O may have
    const std::uint32_t blocks_;
    core::random_source random_;
    core::dma_memory memory_;
    std::vector<std::unique_ptr<flight>> flights_;
    bool stopping_ = false;
    unsigned outstanding_ = 0;
    std::uint64_t begun_ = 0;
    core::counter completed_, failed_;
};

}  // namespace causeway::bench
