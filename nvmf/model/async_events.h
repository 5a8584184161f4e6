// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/features.h"
#include "nvme/log_page.h"
#include "nvmf/transport.h"

#include <array>
#include <cstdint>

namespace causeway::nvmf {

/// The Asynchronous Event Requests of one controller, and what they wait for. NVM Express Base Specification
/// 2.0, "Asynchronous Event Request command".
///
/// An event of a kind is reported once, and not again until the host has read the log page of that kind with RAE clear.
/// An event without an outstanding request waits for the next request. Control reactor.
///
/// A persistent warning is reported once; it is reported again only after it has cleared and reappeared.
class async_events {
  public:
    static constexpr unsigned limit = 4;  ///< AERL says so, 0's based

    enum kind : std::uint8_t { namespace_attribute, ana_change, discovery_log, health, reservation_log, kinds };

    /// Completes the request when there is an event. False: as many wait already as AERL allows.
    [[nodiscard]] bool wait(request& r);
    void raise(kind k);  ///< but for health
    /// The critical warnings of the SMART page as they are now.
    void warn(std::uint8_t critical_warnings);
    /// The host has read the log page, RAE clear.
    void page_read(nvme::lid page) noexcept;
    /// Asynchronous Event Configuration: the bit of each kind is its bit in OAES, those of critical warnings are their
    /// bits in the SMART page. An event that waits for a request and is disabled now is dropped.
    void configure(std::uint32_t enabled) noexcept;

    bool abort(std::uint16_t cid) noexcept;
    /// Completes all requests and drops pending events: for a reset, or the end of the controller.
    void end() noexcept;

  private:
    enum class state : std::uint8_t { armed, pending, reported };
    void announce(kind k);
    void report();
    std::uint32_t dw0_of(kind k) const noexcept;

    std::uint32_t enabled_ = 0;
    std::array<state, kinds> states_{};
    std::uint8_t reported_warnings_ = 0;  ///< critical warnings that persist and have been reported
    std::uint8_t pending_warnings_ = 0;   ///< those of them that the pending event is about
    request* oldest_ = nullptr;
    unsigned waiting_ = 0;
};

}  // namespace causeway::nvmf
