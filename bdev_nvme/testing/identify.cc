// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include "nvme/text.h"

#include <algorithm>

namespace causeway::bdev_nvme::testing {
namespace {

namespace sc = nvme::sc;
using nvme::copy_padded;
using nvme::copy_terminated;

using identify_data = std::array<std::byte, nvme::identify_bytes>;

template <class T>
void lay(identify_data& into, const T& structure) noexcept {
    static_assert(sizeof structure == sizeof into);
    std::memcpy(into.data(), &structure, sizeof structure);
}

}  // namespace

controller_model::outcome controller_model::identify(submission_queue& sq, const nvme::command& c) {
    const nvme::identify_view v{c};
    const bool of_namespace = v.cns() == nvme::cns::ns || v.cns() == nvme::cns::ns_id_descriptors ||
                              v.cns() == nvme::cns::csi_ns || v.cns() == nvme::cns::ns_independent;
    const auto* n = find(c.nsid);
    const bool of_all = v.cns() == nvme::cns::ns && c.nsid == nvme::broadcast_nsid;
    if (of_namespace && !of_all && (c.nsid == 0 || c.nsid > highest_nsid()))
        return {sc::invalid_namespace_or_format};
    if ((v.cns() == nvme::cns::csi_ns || v.cns() == nvme::cns::csi_controller) && v.csi() != nvme::csi::nvm)
        return {sc::invalid_field};

    identify_data data{};
    switch (v.cns()) {
    case nvme::cns::ns:
        if (n)
            lay(data, namespace_data(*n));
        break;
    case nvme::cns::controller: lay(data, controller_data()); break;
    case nvme::cns::active_ns_list: {
        if (c.nsid >= 0xfffffffe)
            return {sc::invalid_namespace_or_format};
        nvme::namespace_list list{};
        std::size_t count = 0;
        for (auto active = namespaces_.upper_bound(c.nsid); active != namespaces_.end() && count < std::size(list.nsid);
             ++active)
            list.nsid[count++] = active->first;
        lay(data, list);
        break;
    }
    case nvme::cns::ns_id_descriptors:
        if (!n)
            return {sc::invalid_namespace_or_format};
        identifiers(*n, data);
        break;
    case nvme::cns::csi_ns: break;
    case nvme::cns::csi_controller: {
        nvme::identify_controller_nvm limits{};
        limits.vsl = options_.vsl;
        limits.wzsl = options_.wzsl;
        limits.dmrl = options_.dmrl;
        limits.dmrsl = options_.dmrsl;
        limits.dmsl = options_.dmsl;
        lay(data, limits);
        break;
    }
    case nvme::cns::ns_independent: {
        nvme::identify_namespace_independent independent{};
        if (n) {
            independent.nsattr = n->shape().write_protected ? nvme::nsattr_write_protected : 0;
            independent.nstat = nvme::nstat_ready;
        }
        lay(data, independent);
        break;
    }
    default: return {sc::invalid_field};
    }
    const identify_data true_data = data;
    if (alter_identify_)
        alter_identify_(v.cns(), c.nsid, data);
    const auto s = to_host(sq, c, data);
    // Sizes may be anything: blocks that are not there are out of range.
    constexpr auto format_at = offsetof(nvme::identify_namespace, nsfeat);
    if (n && v.cns() == nvme::cns::ns &&
        !std::equal(data.begin() + format_at, data.end(), true_data.begin() + format_at))
        misdescribed_.insert(c.nsid);
    return {s};
}

std::uint32_t controller_model::highest_nsid() const noexcept {
    if (options_.nn != 0)
        return options_.nn;
    return namespaces_.empty() ? 1 : namespaces_.rbegin()->first;
}

nvme::identify_controller controller_model::controller_data() const {
    nvme::identify_controller d{};
    d.vid = 0x1b36;
    d.ssvid = 0x1af4;
    copy_padded(d.sn, options_.serial);
    copy_padded(d.mn, options_.model);
    copy_padded(d.fr, options_.firmware);
    d.mdts = options_.mdts;
    d.cntlid = options_.cntlid;
    d.ver = options_.version;
    d.rtd3e = options_.rtd3e;
    d.oaes = options_.oaes;
    d.cntrltype = to_underlying(nvme::controller_type::io);
    d.oacs = options_.oacs;
    d.acl = options_.acl;
    d.aerl = options_.aerl;
    d.frmw = static_cast<std::uint8_t>(nvme::frmw_slots(1) | nvme::frmw_slot1_read_only);
    d.lpa = options_.lpa;
    d.elpe = 3;
    d.wctemp = options_.wctemp;
    d.cctemp = options_.cctemp;
    d.hmpre = options_.hmpre;
    d.hmmin = options_.hmmin;
    d.hmminds = options_.hmminds;
    d.hmmaxd = options_.hmmaxd;
    d.sqes = 0x66;
    d.cqes = 0x44;
    d.nn = highest_nsid();
    d.oncs = options_.oncs;
    d.fuses = options_.fuses;
    d.vwc = options_.vwc;
    d.awun = options_.awun;
    d.awupf = options_.awupf;
    d.acwu = options_.acwu;
    d.cdfs = 1;
    d.sgls = options_.sgls;
    copy_terminated(d.subnqn, "nqn.2024-01.io.causeway:model:" + options_.serial);
    d.psd[0].mp = 2500;
    return d;
}

nvme::identify_namespace controller_model::namespace_data(const namespace_store& n) const {
    const auto& shape = n.shape();
    nvme::identify_namespace d{};
    d.nsze = d.ncap = d.nuse = n.blocks();
    d.nsfeat = static_cast<std::uint8_t>((shape.atomic_fields ? nvme::nsfeat_atomic_fields : 0) |
                                         (shape.optimal_io ? nvme::nsfeat_optimal_io : 0));
    // Format 1, so that a driver which takes the first one is wrong.
    d.nlbaf = 1;
    d.flbas = static_cast<std::uint8_t>(1 | (shape.extended ? nvme::flbas_extended_metadata : 0));
    d.lbaf[0].lbads = shape.lbads == 9 ? 12 : 9;
    d.lbaf[1].lbads = shape.lbads;
    d.lbaf[1].ms = shape.metadata_bytes;
    d.mc = 3;
    d.dpc = shape.dps != 0 ? 0x1f : 0;
    d.dps = shape.dps;
    d.dlfeat = shape.dlfeat;
    d.nawun = shape.nawun;
    d.nawupf = shape.nawupf;
    d.nacwu = shape.nacwu;
    d.nabsn = shape.nabsn;
    d.nabo = shape.nabo;
    d.nabspf = shape.nabspf;
    d.noiob = shape.noiob;
    d.npwg = shape.npwg;
    d.npwa = shape.npwa;
    d.npdg = shape.npdg;
    d.npda = shape.npda;
    d.nows = shape.nows;
    d.mssrl = shape.mssrl;
    d.mcl = shape.mcl;
    d.msrc = shape.msrc;
    d.nsattr = shape.write_protected ? nvme::nsattr_write_protected : 0;
    std::copy(shape.nguid.begin(), shape.nguid.end(), d.nguid);
    std::copy(shape.eui64.begin(), shape.eui64.end(), d.eui64);
    return d;
}

/// NVM Express Base Specification 2.0, "Namespace Identification Descriptor list". Identifiers of zeroes do not exist.
void controller_model::identifiers(const namespace_store& n, std::span<std::byte> into) const {
    std::size_t at = 0;
    const auto add = [&](nvme::nidt type, std::span<const std::uint8_t> id) {
        if (std::all_of(id.begin(), id.end(), [](auto b) { return b == 0; }))
            return;
        const nvme::ns_id_descriptor_header header{to_underlying(type), nvme::nid_bytes(type), {}};
        std::memcpy(into.data() + at, &header, sizeof header);
        std::memcpy(into.data() + at + sizeof header, id.data(), id.size());
        at += sizeof header + id.size();
    };
    add(nvme::nidt::eui64, n.shape().eui64);
    add(nvme::nidt::nguid, n.shape().nguid);
    add(nvme::nidt::uuid, n.shape().uuid);
}

}  // namespace causeway::bdev_nvme::testing
