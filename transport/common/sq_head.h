// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport.h"

#include <cstdint>

namespace causeway::common {

/// How far a submission queue has been read, as responses report it. NVMe over Fabrics 1.1, "Submission Queue Flow
/// Control Negotiation".
class sq_head {
  public:
    /// `entries`: of the queue. Before Connect says how many there are, any number that the first response stays below.
    explicit sq_head(std::uint32_t entries) noexcept : entries_(entries) {}
    void set_entries(std::uint32_t entries) noexcept { entries_ = entries; }

    /// Another command has been read. Called once for each, with its response at the latest.
    void advance() noexcept { head_ = static_cast<std::uint16_t>((head_ + 1u) % entries_); }

    /// The completion queue entry of `r`: the target has filled dw0 and dw1, the rest is the transport's.
    void complete(nvmf::request& r) const noexcept {
        r.completion.sqhd = r.qpair->sq_flow_control() ? head_ : nvme::sqhd_without_flow_control;
        r.completion.sqid = std::uint16_t{0};
        r.completion.cid = r.command.cid;
        r.completion.set_status(r.status());
    }

  private:
    std::uint32_t entries_;
    std::uint16_t head_ = 0;
};

}  // namespace causeway::common
