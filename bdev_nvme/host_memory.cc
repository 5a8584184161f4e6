// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/host_memory.h"

#include "nvme/pcie.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace causeway::bdev_nvme {

core::result<> host_memory::allocate(const controller_info& f, const std::string& about) {
    if (f.host_memory_wanted == 0 || wanted())
        return {};
    const std::uint64_t goal = std::min(std::max(f.host_memory_wanted, f.host_memory_least), max_bytes);
    std::uint64_t piece = std::max(f.host_memory_piece, std::min(piece_bytes, goal));
    if (f.host_memory_pieces)
        piece = std::max(piece, (goal + f.host_memory_pieces - 1) / f.host_memory_pieces);
    piece = (piece + memory_page - 1) / memory_page * memory_page;

    while (bytes_ < goal && piece <= max_bytes) {
        auto m = core::dma_memory::allocate(piece, memory_page);
        if (!m)
            break;
        bytes_ += piece;
        pieces_.push_back(std::move(*m));
    }
    auto list = core::dma_memory::allocate(
        std::max<std::size_t>(1, pieces_.size()) * sizeof(nvme::host_memory_descriptor), memory_page);
    if (bytes_ < f.host_memory_least || !list) {
        *this = {};
        if (f.host_memory_least == 0)
            return {};  // slower without, and no worse
        return core::fail(
            ENOMEM, fmt::format("the controller needs {} KiB of this machine's memory", f.host_memory_least / 1024),
            about);
    }
    list_ = std::move(*list);
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const nvme::host_memory_descriptor d{
            reinterpret_cast<std::uintptr_t>(pieces_[i].data()), static_cast<std::uint32_t>(piece / memory_page), {}};
        std::memcpy(list_.data() + i * sizeof d, &d, sizeof d);
    }
    return {};
}

}  // namespace causeway::bdev_nvme
