// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/tcp.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace causeway::tcp {

/// Why a connection must end. NVM Express TCP Transport Specification 1.0, "NVMe/TCP Transport Errors": answered by
/// C2HTermReq.
struct violation {
    nvme::tcp_fatal_error status;
    std::uint32_t information = 0;  ///< FEI: what it says depends on `status`

    bool operator==(const violation&) const = default;
};

inline violation invalid_field(std::size_t offset) noexcept {
    return {nvme::tcp_fatal_error::invalid_header_field, static_cast<std::uint32_t>(offset)};
}

enum class side : std::uint8_t { host, controller };

/// What both sides have negotiated, or what the receiving side requires.
struct negotiated_params {
    side sender = side::host;  ///< whose PDUs are read
    bool initialized = false;  ///< its ICReq or ICResp has come
    bool header_digest = false;
    bool data_digest = false;
    std::uint8_t alignment = 0;         ///< of data in what is read (CPDA, or HPDA of a host), in dwords, 0's based
    std::uint32_t in_capsule_data = 0;  ///< bytes, at most
    std::uint32_t max_data = 0;         ///< bytes in one H2CData or C2HData, at most
};

/// Checks the first eight bytes of a PDU, before anything else of it is waited for: so that what they announce is never
/// larger than what there is room for.
std::optional<violation> check_common_header(const nvme::tcp_common_header& h, const negotiated_params& a) noexcept;

/// Bytes of its digest included; of a header that has passed the check.
std::uint32_t header_size(const nvme::tcp_common_header& h, const negotiated_params& a) noexcept;

/// Where a PDU's data lies; of a header that has passed the check.
struct data_extent {
    std::uint32_t begin;   ///< bytes from the beginning of the PDU
    std::uint32_t length;  ///< bytes; 0: there is none
    bool digest;           ///< four bytes of digest follow it
};
data_extent data_of(const nvme::tcp_common_header& h, const negotiated_params& a) noexcept;

}  // namespace causeway::tcp
