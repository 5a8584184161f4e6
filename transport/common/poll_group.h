// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_pool.h"
#include "core/buffer_reserve.h"
#include "core/counter.h"
#include "core/poller.h"
#include "core/reactor.h"
#include "nvmf/transport.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace causeway::nvmf {
class target;
}

namespace causeway::common {

/// How long commands have taken, summed, in ticks of the clock as it was when each turn of the core began. Written by
/// this core, read by any thread.
struct latency_sums {
    core::counter fetch;    ///< from the capsule to execute(): waiting for a buffer, and for the host's data
    core::counter execute;  ///< with the target, and its disk
    core::counter request;  ///< from the capsule until the response has gone out
};

/// What all fabrics count on a core. Written by this core, read by any thread.
struct poll_statistics {
    core::counter polls, idle_polls;
    core::counter requests;
    latency_sums latencies;
};

/// What one core has for its connections over one fabric, whatever that is: data buffers, and the counts. A fabric
/// derives from it and polls. Lives on its reactor.
class poll_group : public core::poller {
  public:
    /// The sizes of a core's buffers: 8 KiB, and max_io_size.
    static std::vector<core::buffer_pool::size_class> buffer_classes(const nvmf::transport_options& o);
    /// Control path. ENOMEM: there is no memory for the buffers of so many cores, and `more` of max_io_size on each.
    static core::result<> check_memory(const nvmf::transport_options& options, std::size_t cores,
                                       std::uint32_t more = 0);

    // For queue pairs, on the home reactor.
    core::reactor& home() const noexcept { return home_; }
    nvmf::target& target() const noexcept { return target_; }
    core::buffer_pool& buffers() noexcept { return buffers_; }
    core::buffer_reserve& own_buffers() noexcept { return own_buffers_; }
    std::uint32_t max_io_size() const noexcept { return max_io_size_; }

    latency_sums& latencies() noexcept { return latencies_; }

    // Any thread.
    std::uint64_t buffer_waits() const noexcept { return buffers_.waits(); }

  protected:
    /// `latencies` are among the fabric's statistics. Own buffers: core::buffer_reserve's arguments.
    poll_group(core::reactor& home, nvmf::target& target, std::uint32_t max_io_size, latency_sums& latencies,
               core::buffer_pool buffers, std::size_t min_own_buffers, std::function<void()> make_own_buffers)
        : home_(home), target_(target), max_io_size_(max_io_size), buffers_(std::move(buffers)),
          own_buffers_(min_own_buffers, std::move(make_own_buffers)), latencies_(latencies) {}

    core::reactor& home_;
    nvmf::target& target_;
    const std::uint32_t max_io_size_;
    core::buffer_pool buffers_;
    core::buffer_reserve own_buffers_;

  private:
    latency_sums& latencies_;
};

}  // namespace causeway::common
