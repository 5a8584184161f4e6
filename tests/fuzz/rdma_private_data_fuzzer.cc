// SPDX-License-Identifier: Apache-2.0
// What a connection request's private data may say: who is accepted gets a queue that can hold a command, and no more
// than both sides have.

#include "nvme/rdma.h"
#include "tests/fuzz/must.h"
#include "transport/rdma/cm_private.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace causeway;
using fuzz::must;

/// A byte of how many RDMA READs the host offers; then the private data.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 1)
        return 0;
    std::vector<std::byte> data(size - 1);
    if (!data.empty())
        std::memcpy(data.data(), bytes + 1, data.size());
    const nvmf::transport_options options;
    const auto read = rdma::read_request(data, bytes[0], options);
    const auto* asked = std::get_if<rdma::connect_request>(&read);
    if (!asked)
        return 0;
    nvme::rdma_cm_request said;
    must(data.size() >= sizeof said);
    std::memcpy(&said, data.data(), sizeof said);
    must(asked->qid <= options.max_io_qpairs_per_ctrlr);
    must(asked->reads == bytes[0] && asked->reads != 0);
    must(asked->depth >= 2 && asked->depth <= std::min<std::uint32_t>(said.hrqsize, said.hsqsize + 1u));
    return 0;
}
