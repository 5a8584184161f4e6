// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/identity.h"

#include "bdev_nvme/queue_pair.h"
#include "nvme/pcie.h"
#include "nvme/properties.h"
#include "nvme/text.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace causeway::bdev_nvme {

namespace {

constexpr std::uint32_t max_nlb = 65536;  // of one command: NLB has 16 bits
// Beyond a page hosts' kernels have no disks.
constexpr std::uint8_t min_lbads = 9;
constexpr std::uint8_t max_lbads = 12;

constexpr std::uint32_t one_based(std::uint16_t zero_based) noexcept {
    return std::uint32_t{zero_based} + 1;
}

/// 2^exponent pages of 4 KiB; 0: no limit.
constexpr std::uint64_t pages(std::uint8_t exponent, std::uint64_t if_none) noexcept {
    if (exponent == 0)
        return if_none;
    return exponent < 40 ? std::uint64_t{memory_page} << exponent : if_none;
}

bool fits(std::uint8_t sizes, std::uint8_t shift) noexcept {
    return (sizes & 0xf) <= shift && shift <= sizes >> 4;
}

sgl_support sgl_support_of(std::uint32_t sgls) noexcept {
    switch (sgls & 3) {
    case nvme::sgls_supported: return sgl_support::any;
    case nvme::sgls_supported_dword_aligned: return sgl_support::dword_aligned;
    default: return sgl_support::none;
    }
}

bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

std::optional<bdev::uuid> uuid_in(const std::byte* descriptors) noexcept {
    std::size_t at = 0;
    while (at + sizeof(nvme::ns_id_descriptor_header) <= nvme::identify_bytes) {
        nvme::ns_id_descriptor_header h;
        std::memcpy(&h, descriptors + at, sizeof h);
        at += sizeof h;
        if (h.type == 0 || at + h.nidl > nvme::identify_bytes)
            return std::nullopt;
        if (h.type == nvme::to_underlying(nvme::nidt::uuid) && h.nidl == sizeof(bdev::uuid)) {
            bdev::uuid u;
            std::memcpy(u.data(), descriptors + at, u.size());
            return all_zero(u) ? std::nullopt : std::optional(u);
        }
        at += h.nidl;
    }
    return std::nullopt;
}

/// An identity that does not depend on the slot: the UUID, the NGUID, or else the name.
bdev::uuid identity_of(std::uint32_t nsid, const nvme::identify_namespace& id, const std::byte* descriptors,
                       const controller_info& c) {
    if (descriptors)
        if (const auto u = uuid_in(descriptors))
            return *u;
    if (!all_zero(id.nguid)) {
        bdev::uuid u;
        std::memcpy(u.data(), id.nguid, u.size());
        return u;
    }
    return bdev::uuid_of_name(fmt::format("nvme {:04x} {} {} {}", c.vendor, c.model_number, c.serial_number, nsid));
}

/// Protection information that the controller can make and strip by itself: 8 bytes of metadata, and nothing else in
/// them.
std::optional<std::uint8_t> protection(const nvme::identify_namespace& id, std::uint16_t metadata_bytes) noexcept {
    const unsigned type = id.dps & 7;
    if (metadata_bytes != 8 || type < 1 || type > 3)
        return std::nullopt;
    std::uint8_t prinfo = nvme::prinfo_pract | nvme::prinfo_check_guard;
    if (type != 3)
        prinfo |= nvme::prinfo_check_reference_tag;
    return prinfo;
}

bdev::device_capabilities capabilities_of(const nvme::identify_namespace& id, const controller_info& c) {
    using bdev::op;
    bdev::device_capabilities capabilities;
    capabilities.read_only = id.nsattr & nvme::nsattr_write_protected;
    capabilities.volatile_write_cache = c.volatile_write_cache;
    capabilities.unmap_reads_zeroes = nvme::dlfeat_read(id.dlfeat) == nvme::dlfeat_read_zeroes;
    capabilities.write_zeroes_deallocates = id.dlfeat & nvme::dlfeat_write_zeroes_deac;
    capabilities.ops = bdev::ops({op::read, op::write});
    const auto add = [&](bool has, op o) {
        if (has)
            capabilities.ops |= bdev::ops({o});
    };
    add(c.volatile_write_cache, op::flush);
    add(c.has(nvme::oncs_compare), op::compare);
    add(c.has(nvme::oncs_compare) && c.fused, op::compare_and_write);
    add(c.has(nvme::oncs_write_zeroes), op::write_zeroes);
    add(c.has(nvme::oncs_dataset_management), op::unmap);
    add(c.has(nvme::oncs_verify), op::verify);
    add(c.has(nvme::oncs_copy) && c.copy_format_0 && id.mssrl != 0 && id.mcl != 0u, op::copy);
    return capabilities;
}

void describe_performance(bdev::device_geometry& g, const nvme::identify_namespace& id, const controller_info& c,
                          std::uint32_t max_blocks) {
    const bool own_atomics = id.nsfeat & nvme::nsfeat_atomic_fields;
    // A namespace's own sizes hold within its boundaries, of which hosts do not hear; the controller's hold everywhere.
    const auto atomic = [&](std::uint16_t of_namespace, std::uint32_t of_controller, std::uint16_t boundary) {
        const std::uint32_t blocks =
            own_atomics && of_namespace && boundary == 0 ? one_based(of_namespace) : of_controller;
        return std::min(blocks, max_blocks);  // a longer one is several commands
    };
    g.atomic_write_blocks = atomic(id.nawun, c.atomic_blocks, id.nabsn);
    g.atomic_write_power_fail_blocks = atomic(id.nawupf, c.atomic_power_fail_blocks, id.nabspf);
    g.atomic_compare_and_write_blocks = std::min(atomic(id.nacwu, c.atomic_compare_blocks, id.nabsn),
                                                 std::max(1u, queue_pair::bounce_bytes / g.block_size));
    if (id.nsfeat & nvme::nsfeat_optimal_io) {
        g.write_granularity_blocks = one_based(id.npwg);
        g.write_alignment_blocks = one_based(id.npwa);
        g.unmap_granularity_blocks = one_based(id.npdg);
        g.unmap_alignment_blocks = one_based(id.npda);
        g.optimal_write_blocks = one_based(id.nows);
    }
    g.optimal_io_boundary_blocks = id.noiob;
}

void describe_copy(bdev::device_geometry& g, const nvme::identify_namespace& id) {
    g.copy_source_blocks = id.mssrl;
    g.copy_blocks = id.mcl;
    g.copy_sources = std::min<std::uint32_t>(std::uint32_t{id.msrc} + 1, memory_page / sizeof(nvme::copy_range));
}

}  // namespace

core::result<controller_info> read_controller(const nvme::identify_controller& id, std::uint32_t version,
                                              const std::string& about) {
    if (!fits(id.sqes, nvme::submission_entry_shift) || !fits(id.cqes, nvme::completion_entry_shift))
        return core::fail(EIO, "its Identify data make no sense: no queue entries of 64 and 16 bytes", about);
    if (id.nn == 0u)
        return core::fail(EIO, "its Identify data make no sense: it can have no namespace", about);
    controller_info f;
    f.vendor = id.vid;
    f.cntlid = id.cntlid;
    f.serial_number = nvme::padded_text(id.sn);
    f.model_number = nvme::padded_text(id.mn);
    f.firmware_revision = nvme::padded_text(id.fr);
    f.subnqn = std::string(nvme::terminated_text(id.subnqn).value_or(""));
    f.version = version;
    f.max_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(pages(id.mdts, max_command_bytes), max_command_bytes));
    f.sgls = sgl_support_of(id.sgls);
    f.oacs = id.oacs;
    f.oncs = id.oncs;
    f.cmic = id.cmic;
    f.fused = id.fuses & nvme::fuses_compare_and_write;
    f.volatile_write_cache = id.vwc & nvme::vwc_present;
    f.copy_format_0 = id.cdfs & 1;
    f.oaes = id.oaes;
    f.event_requests = id.aerl + 1u;
    f.namespaces = id.nn;
    f.atomic_blocks = one_based(id.awun);
    f.atomic_power_fail_blocks = one_based(id.awupf);
    f.atomic_compare_blocks = one_based(id.acwu);
    f.host_memory_wanted = std::uint64_t{id.hmpre} * memory_page;
    f.host_memory_least = std::uint64_t{id.hmmin} * memory_page;
    f.host_memory_piece = std::uint64_t{id.hmminds} * memory_page;
    f.host_memory_pieces = id.hmmaxd;
    f.shutdown_us = id.rtd3e;
    return f;
}

command_limits read_limits(const controller_info& c, const nvme::identify_controller_nvm* id) noexcept {
    constexpr std::uint64_t any = UINT64_MAX;
    command_limits l{.max_zeroes_bytes = c.max_bytes, .max_verify_bytes = c.max_bytes};
    if (!id)
        return l;
    l.max_zeroes_bytes = pages(id->wzsl, any);
    l.max_verify_bytes = pages(id->vsl, any);
    for (const std::uint64_t limit : {std::uint64_t{id->dmrsl}, id->dmsl.value()})  // a command of ours has one range
        if (limit != 0 && limit < l.max_unmap_blocks)
            l.max_unmap_blocks = static_cast<std::uint32_t>(limit);
    return l;
}

core::result<namespace_info> read_namespace(std::uint32_t nsid, const nvme::identify_namespace& id,
                                            const std::byte* descriptors, const controller_info& c,
                                            const command_limits& limits, const std::string& about) {
    if (id.nsze == 0u)
        return core::fail(ENOENT, "the namespace is not active", about);
    const unsigned format = (id.flbas & 0xf) | (id.nlbaf > 16 ? (id.flbas >> 1 & 0x30) : 0);
    const nvme::lba_format& lbaf = id.lbaf[format];
    if (lbaf.lbads < min_lbads || lbaf.lbads > max_lbads)
        return core::fail(ENOTSUP, fmt::format("blocks of 2^{} bytes cannot be served: 512 to 4096 can", lbaf.lbads),
                          about);

    namespace_info f;
    f.nsid = nsid;
    f.target.nsid = nsid;
    f.target.block_shift = lbaf.lbads;
    if (lbaf.ms != 0) {
        const auto prinfo = protection(id, lbaf.ms);
        if (!prinfo)
            return core::fail(
                ENOTSUP,
                fmt::format(
                    "its blocks have {} bytes of metadata, which hosts would not get: format it without, or with "
                    "protection information of 8 bytes",
                    lbaf.ms.value()),
                about);
        f.metadata_bytes = lbaf.ms;
        f.target.prinfo = *prinfo;
        f.target.reference_tags = *prinfo & nvme::prinfo_check_reference_tag;
    }

    const auto blocks = [&](std::uint64_t bytes, std::uint64_t most) {
        return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes >> lbaf.lbads, 1, most));
    };
    f.target.max_blocks = blocks(c.max_bytes, max_nlb);
    f.target.max_zeroes_blocks = blocks(limits.max_zeroes_bytes, max_nlb);
    f.target.max_verify_blocks = blocks(limits.max_verify_bytes, max_nlb);
    f.target.max_unmap_blocks = limits.max_unmap_blocks;

    f.geometry.block_size = 1u << lbaf.lbads;
    f.geometry.blocks = id.nsze;
    f.capabilities = capabilities_of(id, c);
    f.target.deallocates_zeroes = f.capabilities.write_zeroes_deallocates;
    if (f.metadata_bytes)  // for these the controller would want the metadata of us, or know it from us
        f.capabilities.ops &=
            ~bdev::ops({bdev::op::compare, bdev::op::compare_and_write, bdev::op::verify, bdev::op::copy});
    describe_performance(f.geometry, id, c, f.target.max_blocks);
    if (f.capabilities.supports(bdev::op::copy))
        describe_copy(f.geometry, id);
    f.id = identity_of(nsid, id, descriptors, c);
    f.shared = id.nmic & nvme::nmic_shared;
    return f;
}

}  // namespace causeway::bdev_nvme
