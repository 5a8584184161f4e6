// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport.h"
#include "transport/common/connection_limiter.h"
#include "wire/tcp/pdu_check.h"
#include "wire/tcp/stream.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::tcp {

/// The result of a handshake, with which a connection continues.
struct handshake_result {
    std::unique_ptr<common::connection_permit> permit;  ///< goes after the stream
    std::unique_ptr<tcp::stream> stream;
    negotiated_params negotiated;            ///< of what the host sends
    std::uint32_t data_alignment = 4;        ///< bytes; of what it wants to get (HPDA)
    std::uint32_t max_r2ts = 1;              ///< for one command at a time (MAXR2T)
    std::vector<std::byte> first;            ///< received already: the header of its first capsule
    std::uint16_t qid = 0;                   ///< as that says
    std::shared_ptr<const nvmf::port> port;  ///< that accepted it
    nvmf::transport_address local, peer;
};

}  // namespace causeway::tcp
