#pragma once

#include "nvmf/transport.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace causeway::nvmf {

/// What one host has connected to one subsystem: an admin queue and its I/O queues, with the state that the host sets.
/// Control reactor, but for what says otherwise.
class controller {
  public:
    std::uint16_t cntlid() const noexcept { return cntlid_; }
    const std::string& host_nqn() const noexcept { return host_nqn_; }
    const std::array<std::uint8_t, 16>& host_id() const noexcept { return host_id_; }

    /// A line of nvmf_subsystem_get_qpairs.
    struct qpair_view {
        std::uint16_t qid;
        qpair::state phase;
        unsigned reactor;
        transport_address listen_address, peer_address;
    };
    std::vector<qpair_view> qpairs() const;

  private:
    std::uint16_t cntlid_ = 0;
    std::string host_nqn_;
    std::array<std::uint8_t, 16> host_id_{};
};

}  // namespace causeway::nvmf
