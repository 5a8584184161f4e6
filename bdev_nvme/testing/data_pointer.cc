// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/data_pointer.h"

#include "nvme/identify_controller.h"
#include "nvme/pcie.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace causeway::bdev_nvme::testing {
namespace {

using nvme::status;
namespace sc = nvme::sc;

/// Descriptors of one command. A device has some limit; this one ends lists that lead back to themselves.
constexpr std::size_t max_descriptors = 65536;

template <class T>
T host_read(std::uint64_t address) noexcept {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
    return value;
}

void add(std::vector<piece>& pieces, std::uint64_t address, std::size_t bytes) {
    pieces.push_back({reinterpret_cast<std::byte*>(address), bytes});
}

status gather_prps(const nvme::command& c, std::size_t left, const data_pointer_rules& rules,
                   std::vector<piece>& pieces) {
    const auto pointer = std::bit_cast<nvme::prp_pointer>(c.sgl);
    const std::size_t in_page = rules.page - 1;
    if (pointer.prp1 & 3)
        return sc::prp_offset_invalid;
    if (pointer.prp1 == 0)
        return sc::data_transfer_error;
    const std::size_t first = std::min(left, rules.page - (pointer.prp1 & in_page));
    add(pieces, pointer.prp1, first);
    left -= first;
    if (left == 0)
        return sc::success;
    if (pointer.prp2 == 0)
        return sc::data_transfer_error;
    if (left <= rules.page) {
        if (pointer.prp2 & in_page)
            return sc::prp_offset_invalid;
        add(pieces, pointer.prp2, left);
        return sc::success;
    }
    std::uint64_t entry = pointer.prp2;
    if (entry & 7)
        return sc::prp_offset_invalid;
    while (left > 0) {
        const auto address = host_read<nvme::le64>(entry).value();
        if (address == 0)
            return sc::data_transfer_error;
        if (address & in_page)
            return sc::prp_offset_invalid;
        // The last entry of a page leads to the next list, unless it is the last of all.
        if (((entry + 8) & in_page) == 0 && left > rules.page) {
            if (pieces.size() > max_descriptors)
                return sc::data_transfer_error;
            entry = address;
            continue;
        }
        const std::size_t now = std::min(left, rules.page);
        add(pieces, address, now);
        left -= now;
        entry += 8;
    }
    return sc::success;
}

class sgl_reader {
  public:
    sgl_reader(std::size_t bytes, const data_pointer_rules& rules, std::vector<piece>& pieces)
        : left_(bytes), sgls_(rules.sgls), pieces_(pieces) {}

    status read(nvme::sgl_descriptor d) {
        if (d.subtype() != nvme::sgl_subtype::address)
            return sc::sgl_type_invalid;
        if (!leads_on(d))
            return ended(data(d));
        // A segment after another, each named by the last descriptor of the one before.
        std::size_t seen = 0;
        while (leads_on(d)) {
            const auto segment = d.as_segment();
            const bool last = d.type() == nvme::sgl_type::last_segment;
            if (segment.length == 0 || segment.length % sizeof d != 0)
                return sc::invalid_sgl_segment;
            if (segment.address == 0)
                return sc::data_transfer_error;
            const std::size_t count = segment.length / sizeof d;
            if ((seen += count) > max_descriptors)
                return sc::invalid_sgl_count;
            for (std::size_t i = 0; i < count; ++i) {
                d = host_read<nvme::sgl_descriptor>(segment.address + i * sizeof d);
                if (d.subtype() != nvme::sgl_subtype::address)
                    return sc::sgl_type_invalid;
                if (leads_on(d)) {
                    if (last || i + 1 != count)
                        return sc::invalid_sgl_segment;
                    break;
                }
                if (const auto s = data(d); !s.ok())
                    return s;
            }
            if (!last && !leads_on(d))
                return sc::invalid_sgl_segment;
        }
        return ended(sc::success);
    }

  private:
    static bool leads_on(const nvme::sgl_descriptor& d) noexcept {
        return d.type() == nvme::sgl_type::segment || d.type() == nvme::sgl_type::last_segment;
    }
    status ended(status s) const noexcept { return s.ok() && left_ > 0 ? sc::data_sgl_length_invalid : s; }

    status data(const nvme::sgl_descriptor& d) {
        if (d.type() != nvme::sgl_type::data_block)
            return sc::sgl_type_invalid;
        const auto block = d.as_data_block();
        if ((sgls_ & 3) == nvme::sgls_supported_dword_aligned && ((block.address | block.length) & 3))
            return sc::sgl_granularity_invalid;
        if (block.length > left_ && !(sgls_ & nvme::sgls_larger_than_transfer))
            return sc::data_sgl_length_invalid;
        const std::size_t now = std::min<std::size_t>(left_, block.length);
        if (now == 0)
            return sc::success;
        if (block.address == 0)
            return sc::data_transfer_error;
        add(pieces_, block.address, now);
        left_ -= now;
        return sc::success;
    }

    std::size_t left_;
    std::uint32_t sgls_;
    std::vector<piece>& pieces_;
};

}  // namespace

status gather(const nvme::command& c, std::size_t bytes, const data_pointer_rules& rules, std::vector<piece>& pieces) {
    pieces.clear();
    switch (c.psdt()) {
    case nvme::psdt::prp: return gather_prps(c, bytes, rules, pieces);
    case nvme::psdt::sgl:
        // NVM Express Base Specification 2.0: not for admin commands over PCIe.
        if (rules.admin || (rules.sgls & 3) == 0)
            return sc::invalid_field;
        return sgl_reader(bytes, rules, pieces).read(c.sgl);
    default: return sc::invalid_field;
    }
}

void copy_to(std::span<const piece> pieces, std::span<const std::byte> bytes) noexcept {
    for (const auto& p : pieces) {
        const std::size_t now = std::min(p.bytes, bytes.size());
        if (now > 0)
            std::memcpy(p.data, bytes.data(), now);
        bytes = bytes.subspan(now);
    }
}

void copy_from(std::span<const piece> pieces, std::span<std::byte> bytes) noexcept {
    for (const auto& p : pieces) {
        const std::size_t now = std::min(p.bytes, bytes.size());
        if (now > 0)
            std::memcpy(bytes.data(), p.data, now);
        bytes = bytes.subspan(now);
    }
}

}  // namespace causeway::bdev_nvme::testing
