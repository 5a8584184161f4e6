// SPDX-License-Identifier: Apache-2.0
// Connect, Disconnect, Property Get and Property Set. NVMe over Fabrics 1.1, "Fabrics Commands".

#include "tests/conformance/row_makers.h"

#include "nvme/nqn.h"
#include "nvme/properties.h"

namespace causeway::conformance {

namespace {

nvme::command spoiled(nvme::command c, const std::function<void(nvme::connect_command&)>& change) {
    auto connect = std::bit_cast<nvme::connect_command>(c);
    change(connect);
    return std::bit_cast<nvme::command>(connect);
}

row& refuses(row& r, nvme::iattr where, std::uint16_t offset) {
    r.dw0 = nvme::connect_invalid_dw0(where, offset);
    return r;
}

}  // namespace

void add_connect_rows(std::vector<row>& to, const target_info& t) {
    row_adder add(to, "Connect", queue::connection);
    const nvme::connect_parameters good{.subnqn = t.subnqn, .hostnqn = t.hostnqn, .hostid = t.hostid};
    const nvme::command c = nvme::make_connect_command(good, 32);
    const auto data = [&](const std::function<void(nvme::connect_data&)>& change) {
        nvme::connect_data d = nvme::make_connect_data(good);
        change(d);
        return bytes_of(d);
    };
    const bytes good_data = data([](auto&) {});
    using nvme::iattr;
    const nvme::status wrong = sc::connect_invalid_parameters;

    add.works("the admin queue of a new controller", c, good_data);
    add.fails("RECFMT 1: not defined", spoiled(c, [](auto& x) { x.recfmt = 1; }),
              sc::connect_incompatible_format.with_dnr(), 40, 0, good_data);
    for (const std::uint16_t size : {0, 0xffff})
        refuses(add.fails_without_location(size ? "SQSIZE FFFFh: more entries than a queue may have"
                                                : "SQSIZE 0: a queue of one entry",
                                           spoiled(c, [&](auto& x) { x.sqsize = size; }), wrong, good_data),
                iattr::command, 44);
    refuses(add.fails_without_location("SUBNQN: empty", c, wrong, data([](auto& d) { d.subnqn[0] = 0; })), iattr::data,
            256);
    refuses(add.fails_without_location("SUBNQN: not terminated", c, wrong,
                                       data([](auto& d) { std::memset(d.subnqn, 'a', sizeof d.subnqn); })),
            iattr::data, 256);
    refuses(add.fails_without_location("SUBNQN: of no subsystem", c, wrong, data([](auto& d) {
                                           nvme::copy_terminated(d.subnqn, "nqn.2024-01.io.example:none");
                                       })),
            iattr::data, 256)
        .note = "not final: an operator may be about to create it, and Linux tries again";
    refuses(add.fails_without_location("HOSTNQN: not terminated", c, wrong,
                                       data([](auto& d) { std::memset(d.hostnqn, 'a', sizeof d.hostnqn); })),
            iattr::data, 512);
    refuses(add.fails_without_location("HOSTNQN: with a control character", c, wrong, data([](auto& d) {
                                           nvme::copy_terminated(d.hostnqn, "nqn.2024-01.io.example:\x07");
                                       })),
            iattr::data, 512);
    refuses(add.fails_without_location("CNTLID 1: a controller of the static model", c, wrong,
                                       data([](auto& d) { d.cntlid = 1; })),
            iattr::data, 16)
        .note = "all controllers are dynamic";
    refuses(add.fails_without_location("CNTLID FFFEh: any controller of the static model", c, wrong,
                                       data([](auto& d) { d.cntlid = nvme::cntlid_any_static; })),
            iattr::data, 16);

    nvme::connect_parameters io = good;
    io.qid = 1;
    io.cntlid = static_cast<std::uint16_t>(t.cntlid ^ 0x4000);  // which nobody has
    row& lost =
        add.fails_without_location("QID 1 of a controller that does not exist", nvme::make_connect_command(io, 32),
                                   wrong, bytes_of(nvme::make_connect_data(io)));
    lost.qid = 1;
    refuses(lost, iattr::data, 16);
    io.cntlid = t.cntlid;
    row& twice =
        add.fails_without_location("QID 1 of a controller that has this queue", nvme::make_connect_command(io, 32),
                                   sc::command_sequence_error, bytes_of(nvme::make_connect_data(io)));
    twice.qid = 1;
    twice.location = parameter_error_location(42);
    twice.note = "not final: the old connection of a host that reconnects may be about to end";

    nvme::connect_parameters discovery = good;
    for (const auto& [name, sent] :
         {std::pair{std::string(nvme::discovery_nqn), "SUBNQN: the well-known name of the discovery service"},
          std::pair{t.discovery_subnqn, "SUBNQN: of the discovery controller, as Identify says"}}) {
        discovery.subnqn = name;
        add.works(sent, nvme::make_connect_command(discovery, 32), bytes_of(nvme::make_connect_data(discovery)));
    }
    to.back().note = "which is a name of its own where the operator has given it one";

    row_adder on_admin(to, "Connect", queue::admin);
    on_admin.fails("on a queue that is connected", c, sc::command_sequence_error.with_dnr(), 4, 0, good_data);

    row_adder disconnect(to, "Disconnect", queue::admin);
    nvme::fabrics_command leave{};
    leave.opcode = nvme::fabrics_opcode;
    leave.type = nvme::to_underlying(nvme::fctype::disconnect);
    disconnect.fails("on the admin queue", std::bit_cast<nvme::command>(leave), sc::invalid_queue_type.with_dnr(), 4);
    row_adder disconnect_io(to, "Disconnect", queue::io);
    leave.specific[0] = 1;
    disconnect_io.fails("RECFMT 1: not defined", std::bit_cast<nvme::command>(leave),
                        sc::connect_incompatible_format.with_dnr(), 40);

    row_adder unknown(to, "Fabrics command", queue::admin);
    nvme::fabrics_command other{};
    other.opcode = nvme::fabrics_opcode;
    for (const std::uint8_t type : {0x02, 0x03, 0x09, 0xc0}) {
        other.type = type;
        unknown.fails("FCTYPE " + hex(type), std::bit_cast<nvme::command>(other), invalid_opcode, 4);
    }
}

void add_property_rows(std::vector<row>& to, const target_info&) {
    row_adder get(to, "Property Get", queue::admin);
    const auto at = [](std::uint32_t offset, nvme::property_size size) {
        nvme::property_get_command c{};
        c.opcode = nvme::fabrics_opcode;
        c.type = nvme::to_underlying(nvme::fctype::property_get);
        c.attrib = nvme::to_underlying(size);
        c.ofst = offset;
        return std::bit_cast<nvme::command>(c);
    };
    using size = nvme::property_size;
    get.works("CAP (00h), 8 bytes: NSSRS is 0", at(0x00, size::bytes8)).look = [](const nvme::completion& c, auto) {
        return nvme::cap{c.result64()}.nssrs() ? "NSSRS is 1" : "";
    };
    get.works("VS (08h), 4 bytes", at(0x08, size::bytes4));
    get.works("CC (14h), 4 bytes", at(0x14, size::bytes4));
    get.works("CSTS (1Ch), 4 bytes: NSSRO is 0", at(0x1c, size::bytes4)).look = [](const nvme::completion& c, auto) {
        return c.dw0 & 1u << 4 ? "NSSRO is 1" : "";
    };
    get.works("CRTO (68h), 4 bytes", at(0x68, size::bytes4));
    get.fails("CAP, 4 bytes", at(0x00, size::bytes4), invalid_field, 40);
    get.fails("VS, 8 bytes", at(0x08, size::bytes8), invalid_field, 40);
    get.fails("ATTRIB 2: no size", at(0x08, size{2}), invalid_field, 40);
    get.fails("NSSR (20h): subsystem reset is not supported", at(0x20, size::bytes4), invalid_field, 44);
    get.fails("AQA (24h): a property of PCIe", at(0x24, size::bytes4), invalid_field, 44);
    get.fails("an offset between two properties", at(0x02, size::bytes4), invalid_field, 44);
    row_adder get_io(to, "Property Get", queue::io);
    get_io.fails("on an I/O queue", at(0x08, size::bytes4), sc::invalid_queue_type.with_dnr(), 4);

    row_adder set(to, "Property Set", queue::admin);
    const auto to_value = [](std::uint32_t offset, std::uint64_t value, size s = size::bytes4) {
        nvme::property_set_command c{};
        c.opcode = nvme::fabrics_opcode;
        c.type = nvme::to_underlying(nvme::fctype::property_set);
        c.attrib = nvme::to_underlying(s);
        c.ofst = offset;
        c.value = value;
        return std::bit_cast<nvme::command>(c);
    };
    set.fails("VS: read only", to_value(0x08, 0), invalid_field, 44);
    set.fails("CSTS: read only", to_value(0x1c, 0), invalid_field, 44);
    set.fails("NSSR: subsystem reset is not supported", to_value(0x20, 0x4e564d65), invalid_field, 44);
    set.fails("CC, 8 bytes", to_value(0x14, 0x460001, size::bytes8), invalid_field, 40);
    set.fails("CC.SHN 3: reserved", to_value(0x14, 0x46c001), invalid_field, 49, 6);
    set.works("CC as it is", to_value(0x14, 0x460001));
}

}  // namespace causeway::conformance
