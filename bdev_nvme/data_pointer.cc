// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/data_pointer.h"

#include "bdev_nvme/pieces.h"

namespace causeway::bdev_nvme {

bool data_pointer::set_many(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                            std::byte* list) const noexcept {
    const auto reached = [&](std::byte* p, std::size_t n) { return reach_->covers(p, n); };
    if (!for_each_piece(data, skip, bytes, reached))
        return false;
    if (pages_of(c, data, skip, bytes, list))
        return true;
    return sgls_ != sgl_support::none && segment_of(c, data, skip, bytes, list);
}

/// PRPs know no lengths: pieces may meet at page boundaries only.
bool data_pointer::pages_of(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                            std::byte* list) const noexcept {
    constexpr std::size_t most = memory_page / sizeof(nvme::le64);
    auto* const entries = reinterpret_cast<nvme::le64*>(list);
    std::uint64_t first = 0;
    std::size_t count = 0;  // of entries, the first page left out
    bool page_ended = true;
    const auto add = [&](std::byte* p, std::size_t n) {
        std::uint64_t at = address(p);
        const bool begins = first == 0;
        if (begins ? (at & 3) != 0 : (at & offset_mask) != 0 || !page_ended)
            return false;
        const std::uint64_t end = at + n;
        if (begins) {
            first = at;
            at = (at & ~offset_mask) + memory_page;
        }
        for (; at < end; at += memory_page) {
            if (count == most)
                return false;
            entries[count++] = at;
        }
        page_ended = (end & offset_mask) == 0;
        return true;
    };
    if (!for_each_piece(data, skip, bytes, add))
        return false;
    set_prps(c, first, count == 0 ? 0 : count == 1 ? entries[0].value() : address(list));
    return true;
}

bool data_pointer::segment_of(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                              std::byte* list) const noexcept {
    constexpr std::size_t most = memory_page / sizeof(nvme::sgl_descriptor);
    auto* const descriptors = reinterpret_cast<nvme::sgl_descriptor*>(list);
    std::size_t count = 0;
    const auto add = [&](std::byte* p, std::size_t n) {
        if (count == most || !sgl_may(address(p), n))
            return false;
        descriptors[count++] = nvme::sgl_descriptor::data_block(address(p), static_cast<std::uint32_t>(n));
        return true;
    };
    if (!for_each_piece(data, skip, bytes, add))
        return false;
    c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(nvme::psdt::sgl) << 6);
    c.sgl = nvme::sgl_descriptor::last_segment(
        address(list), static_cast<std::uint32_t>(count * sizeof(nvme::sgl_descriptor)), nvme::sgl_subtype::address);
    return true;
}

}  // namespace causeway::bdev_nvme
