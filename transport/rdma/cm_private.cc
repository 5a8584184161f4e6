// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/cm_private.h"

#include <algorithm>
#include <cstring>

namespace causeway::rdma {

std::variant<connect_request, nvme::rdma_cm_status> read_request(std::span<const std::byte> private_data,
                                                                 std::uint8_t reads,
                                                                 const nvmf::transport_options& options) noexcept {
    using enum nvme::rdma_cm_status;
    nvme::rdma_cm_request r;
    if (private_data.size() < sizeof r)
        return invalid_private_data_length;
    std::memcpy(&r, private_data.data(), sizeof r);
    if (r.recfmt != 0)
        return invalid_recfmt;
    if (r.qid > options.max_io_qpairs_per_ctrlr)
        return invalid_qid;
    // 0's based; a queue of one entry could never hold a command.
    if (r.hsqsize == 0)
        return invalid_hsqsize;
    // Entries, not 0's based.
    if (r.hrqsize < 2)
        return invalid_hrqsize;
    if (reads == 0)
        return invalid_ird;
    // Hosts of before the field say 0.
    if (r.qid != 0 && r.cntlid > 0xffef)
        return invalid_cntlid;
    const std::uint32_t host = std::min<std::uint32_t>(r.hsqsize + 1u, r.hrqsize);
    return connect_request{r.qid, static_cast<std::uint16_t>(std::min<std::uint32_t>(host, 0xffff)), reads};
}

}  // namespace causeway::rdma
