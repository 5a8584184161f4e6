#include "transport/loop/commands.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

namespace causeway::loop {

namespace {

template <std::size_t N>
void put(char (&field)[N], std::string_view text) noexcept {
    std::memcpy(field, text.data(), std::min(text.size(), N));
}

nvme::sgl_descriptor data_of(std::uint32_t bytes) noexcept {
    return nvme::sgl_descriptor::transport_data_block(bytes);
}

}  // namespace

nvme::command make_command(std::uint8_t opcode, std::uint32_t nsid, std::uint32_t bytes) noexcept {
    nvme::command c{};
    c.opcode = opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.nsid = nsid;
    c.sgl = data_of(bytes);
    return c;
}

nvme::connect_data make_connect_data(const connect_parameters& p) noexcept {
    nvme::connect_data d{};
    std::copy(p.hostid.begin(), p.hostid.end(), d.hostid);
    d.cntlid = p.cntlid;
    put(d.subnqn, p.subnqn);
    put(d.hostnqn, p.hostnqn);
    return d;
}

nvme::command make_connect_command(const connect_parameters& p, std::uint16_t entries) noexcept {
    nvme::connect_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.type = nvme::to_underlying(nvme::fctype::connect);
    c.sgl = data_of(sizeof(nvme::connect_data));
    c.qid = p.qid;
    c.sqsize = static_cast<std::uint16_t>(entries - 1);
    c.cattr = p.sq_flow_control ? 0 : nvme::cattr_disable_sq_flow_control;
    c.kato = p.kato_ms;
    return std::bit_cast<nvme::command>(c);
}

nvme::command make_property_get(nvme::property p) noexcept {
    nvme::property_get_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.type = nvme::to_underlying(nvme::fctype::property_get);
    c.attrib =
        nvme::to_underlying(nvme::property_bytes(p) == 8 ? nvme::property_size::bytes8 : nvme::property_size::bytes4);
    c.ofst = nvme::to_underlying(p);
    return std::bit_cast<nvme::command>(c);
}

nvme::command make_property_set(nvme::property p, std::uint64_t value) noexcept {
    nvme::property_set_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.flags = nvme::to_underlying(nvme::psdt::sgl) << 6;
    c.type = nvme::to_underlying(nvme::fctype::property_set);
    c.attrib =
        nvme::to_underlying(nvme::property_bytes(p) == 8 ? nvme::property_size::bytes8 : nvme::property_size::bytes4);
    c.ofst = nvme::to_underlying(p);
    c.value = value;
    return std::bit_cast<nvme::command>(c);
}

nvme::command make_identify(nvme::cns cns, std::uint32_t nsid, nvme::csi csi) noexcept {
    nvme::command c = make_command(nvme::to_underlying(nvme::admin_opcode::identify), nsid, nvme::identify_bytes);
    c.cdw10 = nvme::to_underlying(cns);
    c.cdw11 = std::uint32_t{nvme::to_underlying(csi)} << 24;
    return c;
}

nvme::command make_get_log_page(nvme::lid lid, std::uint32_t bytes, std::uint32_t nsid) noexcept {
    nvme::command c = make_command(nvme::to_underlying(nvme::admin_opcode::get_log_page), nsid, bytes);
    const std::uint32_t numd = bytes / 4 - 1;
    c.cdw10 = nvme::to_underlying(lid) | numd << 16;
    c.cdw11 = numd >> 16;
    return c;
}

nvme::command make_set_features(nvme::fid f, std::uint32_t value) noexcept {
    nvme::command c = make_command(nvme::to_underlying(nvme::admin_opcode::set_features));
    c.cdw10 = nvme::to_underlying(f);
    c.cdw11 = value;
    return c;
}

nvme::command make_get_features(nvme::fid f) noexcept {
    nvme::command c = make_command(nvme::to_underlying(nvme::admin_opcode::get_features));
    c.cdw10 = nvme::to_underlying(f);
    return c;
}

nvme::command make_keep_alive() noexcept {
    return make_command(nvme::to_underlying(nvme::admin_opcode::keep_alive));
}

nvme::command make_async_event_request() noexcept {
    return make_command(nvme::to_underlying(nvme::admin_opcode::async_event_request));
}

nvme::command make_abort(std::uint16_t sqid, std::uint16_t cid) noexcept {
    nvme::command c = make_command(nvme::to_underlying(nvme::admin_opcode::abort));
    c.cdw10 = std::uint32_t{cid} << 16 | sqid;
    return c;
}

nvme::command make_block_command(nvme::io_opcode opcode, std::uint32_t nsid, std::uint64_t slba, std::uint32_t blocks,
                                 std::uint32_t bytes, nvme::fuse fuse) noexcept {
    nvme::command c = make_command(nvme::to_underlying(opcode), nsid, bytes);
    c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(fuse));
    nvme::set_block_range(c, slba, blocks);
    return c;
}

nvme::command make_flush(std::uint32_t nsid) noexcept {
    return make_command(nvme::to_underlying(nvme::io_opcode::flush), nsid);
}

nvme::command make_deallocate(std::uint32_t nsid, std::uint32_t ranges) noexcept {
    const auto bytes = static_cast<std::uint32_t>(ranges * sizeof(nvme::dsm_range));
    nvme::command c = make_command(nvme::to_underlying(nvme::io_opcode::dataset_management), nsid, bytes);
    c.cdw10 = ranges - 1;
    c.cdw11 = 1u << 2;
    return c;
}

nvme::completion lost_completion() noexcept {
    nvme::completion c{};
    c.set_status(nvme::sc::host_pathing_error);
    return c;
}

}  // namespace causeway::loop
