// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace causeway::rdma {
class rdma_transport;
}

namespace causeway::fuzz {

/// What the transport holds while no command is outstanding. It has one device and one core here.
class idle_state {
  public:
    explicit idle_state(rdma::rdma_transport& t) noexcept : transport_(t) {}

    std::size_t connections() const noexcept;
    /// One of them is on its way out, though its host has not heard of it.
    bool closing() const;
    /// "" or what has not been released: buffers, requests, receives, of which hosts have taken that many since the
    /// beginning. REQUIRES: `live` connections, none closing.
    std::string leaks(std::size_t live, std::uint64_t receives_taken) const;

  private:
    rdma::rdma_transport& transport_;
};

}  // namespace causeway::fuzz
