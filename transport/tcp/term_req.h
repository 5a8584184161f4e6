// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/tcp.h"
#include "wire/tcp/pdu_check.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace causeway::tcp {

/// C2HTermReq or H2CTermReq, on its way: why a connection ends, and the header of the PDU at fault. NVM Express TCP
/// Transport Specification 1.0, "Host/Controller Terminate Connection Request".
class term_req {
  public:
    void set(nvme::tcp_pdu_type type, const violation& v, std::span<const std::byte> header) noexcept {
        header = header.first(std::min<std::size_t>(header.size(), nvme::tcp_max_term_data));
        nvme::tcp_term_req t{};
        t.common.type = nvme::to_underlying(type);
        t.common.hlen = sizeof t;
        t.common.plen = static_cast<std::uint32_t>(sizeof t + header.size());
        t.fes = nvme::to_underlying(v.status);
        t.fei = v.information;
        std::memcpy(bytes_.data(), &t, sizeof t);
        std::copy(header.begin(), header.end(), bytes_.begin() + sizeof t);
        size_ = sizeof t + header.size();
    }

    bool empty() const noexcept { return sent_ == size_; }
    std::span<const std::byte> left() const noexcept { return {bytes_.data() + sent_, size_ - sent_}; }
    void sent(std::size_t n) noexcept { sent_ += n; }

  private:
    std::array<std::byte, sizeof(nvme::tcp_term_req) + nvme::tcp_max_term_data> bytes_;
    std::size_t size_ = 0, sent_ = 0;
};

}  // namespace causeway::tcp
