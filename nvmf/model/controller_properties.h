// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/properties.h"

#include <atomic>
#include <cstdint>

namespace causeway::nvmf {

/// CC and CSTS of one controller, and how the second follows the first. NVM Express Base Specification 2.0, "Controller
/// Configuration" and "Controller Status". Control reactor, except ready().
///
/// A reset or a shutdown begins with write_cc() and is complete when none of the commands of the I/O queues is at work
/// any more, which the controller reports by settle(). Only then may a host send its writes by another path without
/// fear that an older one lands on top of them.
class controller_properties {
  public:
    explicit controller_properties(bool discovery) noexcept : is_discovery_(discovery) {}

    nvme::cc cc() const noexcept { return cc_; }
    nvme::csts csts() const noexcept { return csts_; }
    /// Any reactor: enabled, commands run.
    bool ready() const noexcept { return ready_.load(std::memory_order_relaxed); }
    /// CC.EN and CSTS.RDY are set and no shutdown has begun: while this is true the Keep Alive Timer is active.
    bool is_active() const noexcept;

    /// What the controller has to do because of a new CC, before settle().
    enum class consequence : std::uint8_t {
        none,
        reset,     ///< a Controller Level Reset: lose all state, close the I/O queues
        shutdown,  ///< close the I/O queues
    };
    consequence write_cc(nvme::cc value) noexcept;
    /// No command of the I/O queues is at work: completes a reset and a shutdown, and obeys CC.EN.
    void settle() noexcept;

    void set_fatal() noexcept { csts_.set_cfs(true); }
    /// The controller ends: it is never ready again.
    void end() noexcept;

  private:
    bool can_be_enabled() const noexcept;

    const bool is_discovery_;
    nvme::cc cc_;
    nvme::csts csts_;
    bool resetting_ = false;  ///< CC.EN was cleared, I/O queues are still closing
    bool ended_ = false;
    std::atomic<bool> ready_{false};
};

}  // namespace causeway::nvmf
