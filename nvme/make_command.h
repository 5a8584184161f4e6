// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>

#include "nvme/command.h"
#include "nvme/fabrics.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/properties.h"
#include "nvme/text.h"

// The commands of a host. What a command does not need is zero; `bytes` is the length of its data, which the host's
// transport may describe otherwise. Command identifiers are the queue's to fill in.

namespace causeway::nvme {

/// What the Connect command says.
struct connect_parameters {
    std::string subnqn;
    std::string hostnqn;
    std::array<std::uint8_t, 16> hostid{};
    std::uint16_t qid = 0;
    std::uint16_t cntlid = cntlid_dynamic;  ///< of an I/O queue: what the admin queue's Connect returned
    std::uint32_t kato_ms = 0;
    bool sq_flow_control = true;
};

inline command make_command(std::uint8_t opcode, std::uint32_t nsid = 0, std::uint32_t bytes = 0) noexcept {
    command c{};
    c.opcode = opcode;
    c.flags = to_underlying(psdt::sgl) << 6;
    c.nsid = nsid;
    c.sgl = sgl_descriptor::transport_data_block(bytes);
    return c;
}

inline connect_data make_connect_data(const connect_parameters& p) noexcept {
    connect_data d{};
    std::copy(p.hostid.begin(), p.hostid.end(), d.hostid);
    d.cntlid = p.cntlid;
    copy_terminated(d.subnqn, p.subnqn);
    copy_terminated(d.hostnqn, p.hostnqn);
    return d;
}

inline command make_connect_command(const connect_parameters& p, std::uint16_t entries) noexcept {
    connect_command c{};
    c.opcode = fabrics_opcode;
    c.flags = to_underlying(psdt::sgl) << 6;
    c.type = to_underlying(fctype::connect);
    c.sgl = sgl_descriptor::transport_data_block(sizeof(connect_data));
    c.qid = p.qid;
    c.sqsize = static_cast<std::uint16_t>(entries - 1);
    c.cattr = p.sq_flow_control ? 0 : cattr_disable_sq_flow_control;
    c.kato = p.kato_ms;
    return std::bit_cast<command>(c);
}

inline command make_property_get(property p) noexcept {
    property_get_command c{};
    c.opcode = fabrics_opcode;
    c.flags = to_underlying(psdt::sgl) << 6;
    c.type = to_underlying(fctype::property_get);
    c.attrib = to_underlying(property_bytes(p) == 8 ? property_size::bytes8 : property_size::bytes4);
    c.ofst = to_underlying(p);
    return std::bit_cast<command>(c);
}

inline command make_property_set(property p, std::uint64_t value) noexcept {
    property_set_command c{};
    c.opcode = fabrics_opcode;
    c.flags = to_underlying(psdt::sgl) << 6;
    c.type = to_underlying(fctype::property_set);
    c.attrib = to_underlying(property_bytes(p) == 8 ? property_size::bytes8 : property_size::bytes4);
    c.ofst = to_underlying(p);
    c.value = value;
    return std::bit_cast<command>(c);
}

inline command make_identify(nvme::cns cns, std::uint32_t nsid = 0, nvme::csi csi = csi::nvm) noexcept {
    command c = make_command(to_underlying(admin_opcode::identify), nsid, identify_bytes);
    c.cdw10 = to_underlying(cns);
    c.cdw11 = std::uint32_t{to_underlying(csi)} << 24;
    return c;
}

inline command make_get_log_page(nvme::lid lid, std::uint32_t bytes, std::uint32_t nsid = broadcast_nsid) noexcept {
    command c = make_command(to_underlying(admin_opcode::get_log_page), nsid, bytes);
    const std::uint32_t numd = bytes / 4 - 1;
    c.cdw10 = to_underlying(lid) | numd << 16;
    c.cdw11 = numd >> 16;
    return c;
}

inline command make_set_features(fid f, std::uint32_t value) noexcept {
    command c = make_command(to_underlying(admin_opcode::set_features));
    c.cdw10 = to_underlying(f);
    c.cdw11 = value;
    return c;
}

inline command make_get_features(fid f) noexcept {
    command c = make_command(to_underlying(admin_opcode::get_features));
    c.cdw10 = to_underlying(f);
    return c;
}

inline command make_keep_alive() noexcept {
    return make_command(to_underlying(admin_opcode::keep_alive));
}

inline command make_async_event_request() noexcept {
    return make_command(to_underlying(admin_opcode::async_event_request));
}

inline command make_abort(std::uint16_t sqid, std::uint16_t cid) noexcept {
    command c = make_command(to_underlying(admin_opcode::abort));
    c.cdw10 = std::uint32_t{cid} << 16 | sqid;
    return c;
}

/// read, write, compare (with data), write_zeroes, verify (without). `blocks` from 1 to 65536.
inline command make_block_command(io_opcode opcode, std::uint32_t nsid, std::uint64_t slba, std::uint32_t blocks,
                                  std::uint32_t bytes = 0, nvme::fuse fuse = fuse::normal) noexcept {
    command c = make_command(to_underlying(opcode), nsid, bytes);
    c.flags = static_cast<std::uint8_t>(c.flags | to_underlying(fuse));
    set_block_range(c, slba, blocks);
    return c;
}

inline command make_flush(std::uint32_t nsid) noexcept {
    return make_command(to_underlying(io_opcode::flush), nsid);
}

/// Deallocate, with `ranges` of dsm_range as data.
inline command make_deallocate(std::uint32_t nsid, std::uint32_t ranges) noexcept {
    const auto bytes = static_cast<std::uint32_t>(ranges * sizeof(dsm_range));
    command c = make_command(to_underlying(io_opcode::dataset_management), nsid, bytes);
    c.cdw10 = ranges - 1;
    c.cdw11 = 1u << 2;
    return c;
}

/// To `sdlba`, with `ranges` of copy_range as data.
inline command make_copy(std::uint32_t nsid, std::uint64_t sdlba, std::uint32_t ranges) noexcept {
    const auto bytes = static_cast<std::uint32_t>(ranges * sizeof(copy_range));
    command c = make_command(to_underlying(io_opcode::copy), nsid, bytes);
    set_block_range(c, sdlba, ranges);  // their number stands where other commands have NLB, descriptor format 0
    return c;
}

}  // namespace causeway::nvme
