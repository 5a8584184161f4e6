// SPDX-License-Identifier: Apache-2.0
// Identify: the table of CNS values, and the pages about namespaces. The controller's own page is in
// identify_controller.cc.

#include "nvme/identify.h"

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/identify_controller.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_nsid = offsetof(nvme::command, nsid);
constexpr unsigned at_cns = offsetof(nvme::command, cdw10);
constexpr unsigned at_csi = offsetof(nvme::command, cdw11) + 3;

constexpr verdict invalid_nsid{nvme::sc::invalid_namespace_or_format.with_dnr(), at_nsid};

/// 0's based, as most fields want it; a count that does not fit is cut off at what does.
std::uint16_t zero_based(std::uint64_t count) noexcept {
    return static_cast<std::uint16_t>(std::clamp<std::uint64_t>(count, 1, 65536) - 1);
}

/// Optimal writes of a power of two end at multiples of themselves, where the device does not say where its boundaries
/// are. A boundary that has no number gives way to a nearer one: what crosses no multiple of a part crosses none of the
/// whole. One that lies further away than a command is long is told as it is, for a nearer one would only split I/O.
std::uint16_t io_boundary(const bdev::device_geometry& g, std::uint32_t max_io_blocks) {
    constexpr std::uint32_t most = 0x8000;
    const std::uint32_t own = g.optimal_io_boundary_blocks;
    if (own && !std::has_single_bit(own))
        return static_cast<std::uint16_t>(own <= 0xffff ? own : 0);
    if (own)
        return static_cast<std::uint16_t>(std::min(own, most));
    const bool aligned = std::has_single_bit(g.optimal_write_blocks);
    return static_cast<std::uint16_t>(aligned ? std::min({g.optimal_write_blocks, max_io_blocks, most}) : 0);
}

/// 0's based, and 0 for none. Hosts split at powers of two: a boundary that has no number gives way to a nearer one.
std::uint16_t atomic_boundary(const bdev::device_geometry& g) {
    return std::has_single_bit(g.atomic_boundary_blocks) ? zero_based(g.atomic_boundary_blocks) : 0;
}

void describe_performance(nvme::identify_namespace& id, const bdev::device_geometry& g, std::uint32_t max_io_bytes) {
    const std::uint32_t physical = std::max(g.physical_block_size, g.block_size) / g.block_size;
    const std::uint32_t max_io_blocks = max_io_bytes / g.block_size;
    // A physical block is written whole or not at all, if the device says nothing else. Linux takes its physical block
    // size from NPWG and NAWUPF together. What a loss of power leaves whole no read has seen half of.
    const std::uint32_t power_fail = g.atomic_write_power_fail_blocks ? g.atomic_write_power_fail_blocks : physical;
    id.nawupf = zero_based(power_fail);
    id.nawun = zero_based(std::max(g.atomic_write_blocks, power_fail));
    // Its two halves share one buffer.
    id.nacwu = zero_based(std::min(g.atomic_compare_and_write_blocks, std::max(1u, max_io_blocks / 2)));
    id.nabsn = id.nabspf = atomic_boundary(g);
    id.npwg = zero_based(std::max(g.write_granularity_blocks, physical));
    id.npwa = zero_based(std::max(g.write_alignment_blocks, physical));
    id.npdg = zero_based(g.unmap_granularity_blocks);
    id.npda = zero_based(g.unmap_alignment_blocks);
    id.nsfeat = nvme::nsfeat_atomic_fields | nvme::nsfeat_optimal_io;
    // Beyond what one command may carry both would only make hosts split their I/O at odd places.
    const std::uint32_t optimal =
        std::min(g.optimal_write_blocks ? g.optimal_write_blocks : max_io_blocks, max_io_blocks);
    id.nows = zero_based(optimal);
    id.noiob = io_boundary(g, max_io_blocks);
}

void describe_copy(nvme::identify_namespace& id, const bdev::device& d) {
    if (!d.capabilities().supports(bdev::op::copy))
        return;
    id.mssrl = static_cast<std::uint16_t>(std::min<std::uint32_t>(d.geometry().copy_source_blocks, 0xffff));
    id.mcl = d.geometry().copy_blocks;
    id.msrc = static_cast<std::uint8_t>(zero_based(max_copy_sources(d)));
}

/// Command Set 1.0, "Identify Namespace Data Structure": DLFEAT, and what NUSE counts where THINP is set.
void describe_deallocation(nvme::identify_namespace& id, bdev::device& d) {
    if (d.capabilities().unmap_reads_zeroes)
        id.dlfeat = nvme::dlfeat_read_zeroes;
    if (d.capabilities().write_zeroes_deallocates)
        id.dlfeat |= nvme::dlfeat_write_zeroes_deac;
    if (const auto allocated = d.allocated_blocks()) {
        id.nsfeat |= nvme::nsfeat_thin_provisioning;
        id.nuse = std::min(*allocated, id.ncap.value());
    }
}

/// "ANA effects on Command Processing": what cannot be known where another path serves the namespace.
bool hides_capacity(nvme::ana_state s) noexcept {
    return s == nvme::ana_state::inaccessible || s == nvme::ana_state::persistent_loss;
}

nvme::identify_namespace describe(const nvm_namespace& ns, const controller& c) {
    const bdev::device_geometry& g = ns.device().geometry();
    nvme::identify_namespace id{};
    id.nsze = id.ncap = id.nuse = ns.blocks();
    id.nmic = nvme::nmic_shared;
    describe_performance(id, g, c.fabric().options().max_io_size);
    describe_deallocation(id, ns.device());
    if (c.ana()) {
        id.anagrpid = ns.ana_group();
        if (hides_capacity(c.ana()->states().state(ns.ana_group())))
            id.nuse = std::uint64_t{0};
    }
    id.rescap = ns.reservation().rescap();
    id.nsattr = ns.read_only() ? nvme::nsattr_write_protected : 0;
    describe_copy(id, ns.device());
    std::copy(ns.nguid().begin(), ns.nguid().end(), id.nguid);
    if (ns.eui64())
        std::copy(ns.eui64()->begin(), ns.eui64()->end(), id.eui64);
    id.lbaf[0].lbads = static_cast<std::uint8_t>(std::countr_zero(g.block_size));
    return id;
}

bool valid(const controller& c, std::uint32_t nsid) noexcept {
    return nsid != 0 && nsid <= c.subsystem().options().max_namespaces;
}

/// For the pages about one namespace: zeroes stand for one that is not there.
template <class Page, class Fill>
outcome namespace_page(const controller& c, request& r, Fill fill) {
    if (!valid(c, r.command.nsid))
        return invalid_nsid;
    const nvm_namespace* ns = find_visible(c, r.command.nsid);
    set_response_struct(r, ns ? fill(*ns) : Page{});
    return verdict();
}

outcome namespace_data(controller& c, request& r) {
    return namespace_page<nvme::identify_namespace>(c, r, [&](const nvm_namespace& ns) { return describe(ns, c); });
}

outcome namespace_data_nvm(controller& c, request& r) {
    return namespace_page<nvme::identify_namespace_nvm>(
        c, r, [](const nvm_namespace&) { return nvme::identify_namespace_nvm{}; });  // all of it is about metadata
}

outcome namespace_data_independent(controller& c, request& r) {
    return namespace_page<nvme::identify_namespace_independent>(c, r, [&](const nvm_namespace& ns) {
        nvme::identify_namespace_independent id{};
        id.nmic = nvme::nmic_shared;
        if (c.ana())
            id.anagrpid = ns.ana_group();
        id.rescap = ns.reservation().rescap();
        id.nsattr = ns.read_only() ? nvme::nsattr_write_protected : 0;
        id.nstat = nvme::nstat_ready;
        return id;
    });
}

outcome active_namespaces(controller& c, request& r) {
    const std::uint32_t above = r.command.nsid;
    if (above >= 0xfffffffe)
        return invalid_nsid;
    nvme::namespace_list list{};
    std::size_t n = 0;
    const auto& all = c.subsystem().namespaces().all();
    for (auto it = all.upper_bound(above); it != all.end() && n < std::size(list.nsid); ++it)
        if (visible(c, *it->second))
            list.nsid[n++] = it->first;
    set_response_struct(r, list);
    return verdict();
}

class descriptor_list {
  public:
    void add(nvme::nidt type, std::span<const std::uint8_t> id) {
        bytes_[used_] = std::byte{nvme::to_underlying(type)};
        bytes_[used_ + 1] = static_cast<std::byte>(id.size());
        std::memcpy(&bytes_[used_ + sizeof(nvme::ns_id_descriptor_header)], id.data(), id.size());
        used_ += sizeof(nvme::ns_id_descriptor_header) + id.size();
    }
    std::span<const std::byte> bytes() const noexcept { return bytes_; }

  private:
    std::array<std::byte, 128> bytes_{};  // all types together are 65 bytes long
    std::size_t used_ = 0;
};

outcome namespace_descriptors(controller& c, request& r) {
    const nvm_namespace* ns = valid(c, r.command.nsid) ? find_visible(c, r.command.nsid) : nullptr;
    if (!ns)
        return invalid_nsid;
    descriptor_list list;
    if (ns->eui64())
        list.add(nvme::nidt::eui64, *ns->eui64());
    list.add(nvme::nidt::nguid, ns->nguid());
    list.add(nvme::nidt::uuid, ns->uuid());
    const std::uint8_t csi = nvme::to_underlying(nvme::csi::nvm);
    list.add(nvme::nidt::csi, {&csi, 1});
    set_response_data(r, list.bytes());
    return verdict();
}

outcome controller_data_nvm(controller& c, request& r) {
    nvme::identify_controller_nvm id{};
    id.wzsl = c.subsystem().options().wzsl;
    id.dmrsl = c.subsystem().options().dmrsl;
    set_response_struct(r, id);
    return verdict();
}

outcome controller_data(controller& c, request& r) {
    set_response_struct(r, identify_controller(c));
    return verdict();
}

outcome command_set_combinations(controller&, request& r) {
    nvme::command_set_combinations all{};
    all.vector[0] = 1 << nvme::to_underlying(nvme::csi::nvm);
    set_response_struct(r, all);
    return verdict();
}

struct page {
    nvme::cns cns;
    bool for_discovery;
    bool nvm_only;  ///< is about the command set in CSI
    outcome (*answer)(controller&, request&);
};

constexpr page pages[] = {
    {nvme::cns::ns, false, false, namespace_data},
    {nvme::cns::controller, true, false, controller_data},
    {nvme::cns::active_ns_list, false, false, active_namespaces},
    {nvme::cns::ns_id_descriptors, false, false, namespace_descriptors},
    {nvme::cns::csi_ns, false, true, namespace_data_nvm},
    {nvme::cns::csi_controller, false, true, controller_data_nvm},
    {nvme::cns::csi_active_ns_list, false, true, active_namespaces},
    {nvme::cns::ns_independent, false, false, namespace_data_independent},
    {nvme::cns::command_set_combinations, false, false, command_set_combinations},
};

}  // namespace

verdict check_identify(request& r) noexcept {
    r.length = nvme::identify_bytes;
    return {};
}

outcome identify(controller& c, request& r) {
    const nvme::identify_view command{r.command};
    for (const page& p : pages) {
        if (p.cns != command.cns() || (c.is_discovery() && !p.for_discovery))
            continue;
        if (p.nvm_only && command.csi() != nvme::csi::nvm)
            return wrong_field(at_csi);
        return p.answer(c, r);
    }
    return wrong_field(at_cns);
}

}  // namespace causeway::nvmf
