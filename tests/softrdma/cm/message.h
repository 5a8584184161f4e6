// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <sys/socket.h>
#include <type_traits>

namespace softrdma::cm {

enum class kind : std::uint8_t { request = 1, more_time, reply, reject, ready, disconnect, disconnected };

/// Why a request is refused: the reasons of the InfiniBand communication manager.
namespace reason {
constexpr std::uint16_t timeout = 4;
constexpr std::uint16_t no_such_service = 8;
constexpr std::uint16_t consumer = 28;
constexpr std::uint16_t vendor_option = 35;
}  // namespace reason

/// What InfiniBand's messages have room for. An IP request spends 36 of its 92 bytes on the addresses.
constexpr std::size_t request_data = 56;
constexpr std::size_t reply_data = 196;
constexpr std::size_t reject_data = 148;

constexpr std::uint32_t message_magic = 0x53524d31;

/// One packet between two connection managers. Both ends are the same build on the same machine: no byte order, no
/// versions.
struct message {
    std::uint32_t magic = message_magic;
    kind what{};
    std::uint8_t qp_type = 0;
    std::uint8_t responder_resources = 0;  ///< RDMA READs that the sender will answer at a time
    std::uint8_t initiator_depth = 0;      ///< RDMA READs that the sender will have outstanding
    std::uint8_t flow_control = 0;
    std::uint8_t retry_count = 0;
    std::uint8_t rnr_retry_count = 0;
    std::uint8_t srq = 0;
    std::uint32_t qpn = 0;
    std::uint32_t psn = 0;
    std::uint32_t ece_vendor = 0;
    std::uint32_t ece_options = 0;
    std::uint16_t why = 0;  ///< of a reject
    std::uint16_t data_size = 0;
    std::array<std::uint8_t, 16> gid{};
    sockaddr_storage from{};
    sockaddr_storage to{};
    std::array<std::uint8_t, reply_data> data{};
};
static_assert(std::is_trivially_copyable_v<message>);

}  // namespace softrdma::cm
