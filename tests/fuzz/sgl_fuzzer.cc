// SPDX-License-Identifier: Apache-2.0
// What a capsule's data pointer may say: nothing that is accepted leads out of the capsule, or moves less or more than
// the command does.

#include "nvme/sgl.h"
#include "tests/fuzz/must.h"
#include "transport/rdma/sgl.h"

#include <cstdint>
#include <cstring>
#include <vector>

using namespace causeway;
using fuzz::must;

/// 16 bytes of descriptor, 4 of what the command moves, 1 of direction; then what follows the command in the capsule.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    constexpr std::size_t head = 21;
    if (size < head)
        return 0;
    nvme::command command{};
    std::memcpy(&command.sgl, bytes, sizeof command.sgl);
    std::uint32_t length;
    std::memcpy(&length, bytes + 16, sizeof length);
    length = length % (1u << 20) + 1;
    const auto way = bytes[20] & 1 ? nvmf::transfer::from_host : nvmf::transfer::to_host;
    // Exactly as long as it is, so that the sanitizer sees a byte beyond.
    std::vector<std::byte> data(size - head);
    if (!data.empty())
        std::memcpy(data.data(), bytes + head, data.size());

    rdma::data_location location;
    if (!rdma::parse_sgl(command, data, length, way, location).ok())
        return 0;
    if (location.in_capsule) {
        must(way == nvmf::transfer::from_host);
        must(location.remote_count == 0);
        must(std::uint64_t{location.capsule_offset} + length <= data.size());
        return 0;
    }
    must(location.remote_count >= 1 && location.remote_count <= rdma::max_descriptors);
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < location.remote_count; ++i) {
        must(location.remote[i].length != 0);
        sum += location.remote[i].length;
    }
    must(sum == length);
    return 0;
}
