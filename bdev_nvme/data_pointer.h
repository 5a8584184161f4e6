// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/dma_reach.h"
#include "nvme/pcie.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace causeway::bdev_nvme {

/// Memory pages as CC.MPS tells the controller.
inline constexpr std::size_t memory_page = 4096;

/// What kinds of descriptors a controller takes, from SGLS.
enum class sgl_support : std::uint8_t { none, dword_aligned, any };

/// What one command may carry through a single page of PRPs: more is never asked for.
inline constexpr std::size_t max_command_bytes = memory_page / sizeof(nvme::le64) * memory_page;

/// Makes the data pointer of commands. `list` is a page of the command's own, reached by the device, that stays until
/// it has completed.
class data_pointer {
  public:
    data_pointer(const dma_reach& reach, sgl_support sgls) noexcept : reach_(&reach), sgls_(sgls) {}

    /// Points `c` at `bytes` of `data`, from byte `skip` on. False: a device cannot get at these buffers as they lie
    /// (another's memory, odd addresses), and `c` is as before; a copy in the driver's own memory has to stand in.
    [[gnu::always_inline]] bool set(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                                    std::byte* list) const noexcept {
        if (data.size() == 1) [[likely]]
            return set_one(c, static_cast<std::byte*>(data[0].iov_base) + skip, bytes, list);
        return set_many(c, data, skip, bytes, list);
    }

    /// Points `c` at memory of the driver's own: page aligned, and reached because it is ours.
    static void set_own(nvme::command& c, const std::byte* at, std::size_t bytes, std::byte* list) noexcept {
        set_pages(c, address(at), bytes, list);
    }

  private:
    // From this on one SGL descriptor beats a list of pages; below, every controller is fast with PRPs.
    static constexpr std::size_t sgl_from_bytes = 32 * 1024;

    static std::uint64_t address(const void* p) noexcept { return reinterpret_cast<std::uintptr_t>(p); }
    static constexpr std::uint64_t offset_mask = memory_page - 1;

    [[gnu::always_inline]] bool set_one(nvme::command& c, std::byte* at, std::size_t bytes,
                                        std::byte* list) const noexcept {
        if (!reach_->covers(at, bytes)) [[unlikely]]
            return false;
        const std::uint64_t begin = address(at);
        const bool aligned = (begin & 3) == 0;
        if (sgls_ != sgl_support::none && (bytes >= sgl_from_bytes || !aligned) && sgl_may(begin, bytes)) {
            set_block(c, begin, bytes);
            return true;
        }
        if (!aligned) [[unlikely]]
            return false;
        set_pages(c, begin, bytes, list);
        return true;
    }

    bool sgl_may(std::uint64_t begin, std::size_t bytes) const noexcept {
        return sgls_ == sgl_support::any || ((begin | bytes) & 3) == 0;
    }
    static void set_block(nvme::command& c, std::uint64_t begin, std::size_t bytes) noexcept {
        c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(nvme::psdt::sgl) << 6);
        c.sgl = nvme::sgl_descriptor::data_block(begin, static_cast<std::uint32_t>(bytes));
    }
    static void set_prps(nvme::command& c, std::uint64_t prp1, std::uint64_t prp2) noexcept {
        c.sgl = std::bit_cast<nvme::sgl_descriptor>(nvme::prp_pointer{prp1, prp2});
    }
    static void set_pages(nvme::command& c, std::uint64_t begin, std::size_t bytes, std::byte* list) noexcept {
        const std::size_t in_first = memory_page - (begin & offset_mask);
        if (bytes <= in_first)
            return set_prps(c, begin, 0);
        std::uint64_t next = begin + in_first;
        std::size_t left = bytes - in_first;
        if (left <= memory_page)
            return set_prps(c, begin, next);
        set_prps(c, begin, address(list));
        for (auto* entry = reinterpret_cast<nvme::le64*>(list);; ++entry, next += memory_page, left -= memory_page) {
            *entry = next;
            if (left <= memory_page)
                break;
        }
    }

    bool set_many(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                  std::byte* list) const noexcept;
    bool pages_of(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                  std::byte* list) const noexcept;
    bool segment_of(nvme::command& c, std::span<const iovec> data, std::size_t skip, std::size_t bytes,
                    std::byte* list) const noexcept;

    const dma_reach* reach_;
    sgl_support sgls_;
};

}  // namespace causeway::bdev_nvme
