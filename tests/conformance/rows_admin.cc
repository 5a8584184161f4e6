// SPDX-License-Identifier: Apache-2.0
// Identify, Get Log Page, Abort, Keep Alive, and the admin commands that are refused. NVM Express Base Specification
// 2.0, "Admin Command Set".

#include "tests/conformance/row_makers.h"

#include "nvme/discovery.h"
#include "nvme/identify.h"

namespace causeway::conformance {

namespace {

const bytes page(nvme::identify_bytes);

nvme::command identify(unsigned cns, std::uint32_t nsid = 0, std::uint8_t csi = 0) {
    return nvme::make_identify(nvme::cns{static_cast<std::uint8_t>(cns)}, nsid, nvme::csi{csi});
}

nvme::command log_page(unsigned lid, std::uint32_t length = 64) {
    return nvme::make_get_log_page(nvme::lid{static_cast<std::uint8_t>(lid)}, length);
}

struct numbered {
    unsigned number;
    const char* name;
};

}  // namespace

void add_identify_rows(std::vector<row>& to, const target_info& t) {
    row_adder add(to, "Identify", queue::admin);
    add.works("CNS 00h: the namespace", identify(0x00, 1), page);
    add.works("CNS 00h of an NSID that is not active: zeroes", identify(0x00, t.max_nsid), page);
    add.works("CNS 01h: the controller", identify(0x01), page);
    add.works("CNS 02h: active namespaces", identify(0x02), page);
    add.works("CNS 03h: identifiers of the namespace", identify(0x03, 1), page);
    add.works("CNS 05h: the namespace, NVM command set", identify(0x05, 1), page);
    add.works("CNS 06h: the controller, NVM command set", identify(0x06), page);
    add.works("CNS 07h: active namespaces of the NVM command set", identify(0x07), page);
    add.works("CNS 08h: the namespace, independent of command sets", identify(0x08, 1), page);
    add.works("CNS 1Ch: combinations of command sets", identify(0x1c), page);
    for (const unsigned cns : {0x00, 0x05, 0x08}) {
        const std::string name = "CNS " + hex(cns);
        add.fails(name + ", NSID 0", identify(cns, 0), invalid_namespace, at_nsid, 0, page);
        add.fails(name + ", NSID above NN", identify(cns, t.max_nsid + 1), invalid_namespace, at_nsid, 0, page);
        add.fails(name + ", NSID FFFFFFFFh", identify(cns, ~0u), invalid_namespace, at_nsid, 0, page).note =
            "no namespace management, so there is nothing in common that this could ask for";
    }
    add.fails("CNS 03h of an NSID that is not active", identify(0x03, t.max_nsid), invalid_namespace, at_nsid, 0, page);
    add.fails("CNS 02h, NSID FFFFFFFEh", identify(0x02, 0xfffffffe), invalid_namespace, at_nsid, 0, page);
    add.fails("CNS 02h, NSID FFFFFFFFh", identify(0x02, ~0u), invalid_namespace, at_nsid, 0, page);
    for (const unsigned cns : {0x05, 0x06, 0x07})
        add.fails("CNS " + hex(cns) + ", CSI 02h: Zoned Namespaces", identify(cns, cns == 0x05, 2), invalid_field, 47,
                  0, page)
            .note = cns == 0x06 ? "Linux asks for this only where CNS 1Ch has the command set" : "";
    for (const auto& [cns, name] : std::initializer_list<numbered>{{0x04, "NVM sets"},
                                                                   {0x09, "formats of a namespace"},
                                                                   {0x10, "allocated namespaces"},
                                                                   {0x11, "an allocated namespace"},
                                                                   {0x12, "controllers of a namespace"},
                                                                   {0x13, "controllers of the subsystem"},
                                                                   {0x14, "primary controller"},
                                                                   {0x15, "secondary controllers"},
                                                                   {0x16, "namespace granularity"},
                                                                   {0x17, "UUIDs"},
                                                                   {0x18, "domains"},
                                                                   {0x19, "endurance groups"},
                                                                   {0x1a, "allocated namespaces of a command set"},
                                                                   {0x1b, "an allocated namespace of a command set"},
                                                                   {0x20, "reserved"},
                                                                   {0xff, "reserved"}})
        add.fails("CNS " + hex(cns) + ": " + name, identify(cns, 1), invalid_field, at_cdw10, 0, page);
    add.fails("FUSE 01b", with(identify(0x01), [](auto& c) { c.flags = 0x41; }), invalid_field, 1, 0, page);

    row_adder discovery(to, "Identify", queue::discovery);
    discovery.works("CNS 01h: CNTRLTYPE 2, DCTYPE 1, SUBNQN", identify(0x01), page).look =
        [t](const nvme::completion&, std::span<const std::byte> data) {
            nvme::identify_controller id{};
            std::memcpy(&id, data.data(), sizeof id);
            return id.cntrltype == 2 && id.dctype == 1 && id.subnqn == t.discovery_subnqn && id.nn == 0
                       ? ""
                       : "not a discovery controller";
        };
    for (const unsigned cns : {0x00, 0x02, 0x03})
        discovery.fails("CNS " + hex(cns) + ": it has no namespaces", identify(cns, cns != 2), invalid_field, at_cdw10,
                        0, page);
}

void add_log_page_rows(std::vector<row>& to, const target_info& t) {
    row_adder add(to, "Get Log Page", queue::admin);
    for (const auto& [lid, name, length] : std::initializer_list<std::tuple<unsigned, const char*, std::uint32_t>>{
             {0x00, "Supported Log Pages", 1024},
             {0x01, "Error Information", 64},
             {0x02, "SMART / Health Information", 512},
             {0x03, "Firmware Slot Information", 512},
             {0x04, "Changed Namespace List", 4096},
             {0x05, "Commands Supported and Effects", 4096},
             {0x12, "Feature Identifiers Supported and Effects", 1024},
             {0x13, "NVMe-MI Commands Supported and Effects", 4096},
             {0x80, "Reservation Notification", 64}})
        add.works("LID " + hex(lid) + ": " + name, log_page(lid, length), bytes(length));
    for (const auto& [lid, name] : std::initializer_list<numbered>{{0x06, "Device Self-test"},
                                                                   {0x07, "Telemetry Host-Initiated"},
                                                                   {0x08, "Telemetry Controller-Initiated"},
                                                                   {0x09, "Endurance Group Information"},
                                                                   {0x0a, "Predictable Latency Per NVM Set"},
                                                                   {0x0b, "Predictable Latency Event Aggregate"},
                                                                   {0x0d, "Persistent Event Log"},
                                                                   {0x0e, "LBA Status Information"},
                                                                   {0x0f, "Endurance Group Event Aggregate"},
                                                                   {0x10, "Media Unit Status"},
                                                                   {0x11, "Supported Capacity Configurations"},
                                                                   {0x14, "Command and Feature Lockdown"},
                                                                   {0x15, "Boot Partition"},
                                                                   {0x16, "Rotational Media Information"},
                                                                   {0x70, "Discovery, of an I/O controller"},
                                                                   {0x81, "Sanitize Status"},
                                                                   {0xc0, "vendor specific"},
                                                                   {0xff, "vendor specific"}})
        add.fails("LID " + hex(lid) + ": " + name, log_page(lid), sc::invalid_log_page.with_dnr(), at_cdw10, 0,
                  bytes(64));
    const nvme::command smart = log_page(0x02, 512);
    const bytes room(512);
    add.works("LPO 256: the second half of a page", with(smart, [](auto& c) { c.cdw12 = 256; }), room);
    add.works("LPO at the end of a page: zeroes", with(smart, [](auto& c) { c.cdw12 = 512; }), room);
    add.fails("LPO behind the end", with(smart, [](auto& c) { c.cdw12 = 516; }), invalid_field, at_cdw12, 0, room);
    add.fails("LPO 2: not a multiple of 4", with(smart, [](auto& c) { c.cdw12 = 2; }), invalid_field, at_cdw12, 0,
              room);
    add.fails("OT: the offset is an index", with(smart, [](auto& c) { c.cdw14 = 1u << 23; }), invalid_field, 58, 7,
              room);
    add.fails("NUMD: more than MDTS",
              with(smart,
                   [&](auto& c) {
                       const std::uint32_t numd = t.max_blocks * block_size / 4;
                       c.cdw10 = 0x02 | (numd & 0xffff) << 16;
                       c.cdw11 = numd >> 16;
                   }),
              invalid_field, 42, 0, room);
    add.fails("NSID 1: SMART is about the controller", with(smart, [](auto& c) { c.nsid = 1; }), invalid_field, at_nsid,
              0, room)
        .note = "LPA says that there is no SMART page of a namespace";
    add.works("NSID 0", with(smart, [](auto& c) { c.nsid = 0; }), room);

    row_adder discovery(to, "Get Log Page", queue::discovery);
    discovery.works("LID 70h: Discovery", log_page(0x70, 1024), bytes(1024));
    discovery.works("LID 70h, EXTDLPE: extended entries",
                    with(log_page(0x70, 1024), [](auto& c) { c.cdw10 = c.cdw10 | 1u << 8; }), bytes(1024));
    discovery
        .works("LID 70h, LPO 1024: the first entry is the discovery subsystem's own, with the SUBNQN of Identify",
               with(log_page(0x70, 1024), [](auto& c) { c.cdw12 = 1024; }), bytes(1024))
        .look = [t](const nvme::completion&, std::span<const std::byte> data) {
        nvme::discovery_log_entry e{};
        std::memcpy(&e, data.data(), sizeof e);
        return e.subtype == nvme::to_underlying(nvme::subsystem_type::current_discovery) &&
                       e.subnqn == t.discovery_subnqn
                   ? ""
                   : "it is another's";
    };
    for (const auto& [sent, offset] :
         {std::pair{"LID 70h, LPO 1 GiB: behind the end", std::uint64_t{1} << 30},
          std::pair{"LID 70h, LPOU 1: 4 GiB behind the beginning", std::uint64_t{1} << 32},
          std::pair{"LID 70h, LPO FFFFFFFFFFFFFFFCh: the end wraps around", ~std::uint64_t{3}},
          std::pair{"LID 70h, LPO 2: not a multiple of 4", std::uint64_t{2}}})
        discovery.fails(sent,
                        with(log_page(0x70, 1024),
                             [&, at = offset](auto& c) {
                                 c.cdw12 = static_cast<std::uint32_t>(at);
                                 c.cdw13 = static_cast<std::uint32_t>(at >> 32);
                             }),
                        invalid_field, at_cdw12, 0, bytes(1024));
    discovery.fails("LID 02h: it has no SMART page", log_page(0x02, 512), sc::invalid_log_page.with_dnr(), at_cdw10, 0,
                    room);
}

void add_other_admin_rows(std::vector<row>& to, const target_info&) {
    row_adder keep_alive(to, "Keep Alive", queue::admin);
    keep_alive.works("", nvme::make_keep_alive());
    row_adder discovery_keep_alive(to, "Keep Alive", queue::discovery);
    discovery_keep_alive.works("to a discovery controller", nvme::make_keep_alive());

    row_adder abort(to, "Abort", queue::admin);
    abort.works("a command that is not outstanding", nvme::make_abort(1, 0x7fff)).dw0 = nvme::abort_not_aborted;
    abort.works("a queue that does not exist", nvme::make_abort(0x1234, 0)).dw0 = nvme::abort_not_aborted;

    row_adder refused(to, "Admin command", queue::admin);
    for (const auto& [opcode, name] : std::initializer_list<numbered>{{0x00, "Delete I/O Submission Queue"},
                                                                      {0x01, "Create I/O Submission Queue"},
                                                                      {0x04, "Delete I/O Completion Queue"},
                                                                      {0x05, "Create I/O Completion Queue"},
                                                                      {0x0d, "Namespace Management"},
                                                                      {0x10, "Firmware Commit"},
                                                                      {0x14, "Device Self-test"},
                                                                      {0x15, "Namespace Attachment"},
                                                                      {0x1c, "Virtualization Management"},
                                                                      {0x20, "Capacity Management"},
                                                                      {0x24, "Lockdown"},
                                                                      {0x7c, "Doorbell Buffer Config"},
                                                                      {0x80, "Format NVM"},
                                                                      {0x84, "Sanitize"},
                                                                      {0xc0, "vendor specific"}})
        refused.fails("opcode " + hex(opcode) + ": " + name, nvme::make_command(static_cast<std::uint8_t>(opcode), 1),
                      invalid_opcode, 0);
    for (const auto& [opcode, name] : std::initializer_list<numbered>{
             {0x11, "Firmware Image Download"}, {0x19, "Directive Send"}, {0x81, "Security Send"}})
        refused.fails("opcode " + hex(opcode) + ": " + name,
                      nvme::make_command(static_cast<std::uint8_t>(opcode), 1, 64), invalid_opcode, 0, 0, bytes(64));
    for (const auto& [opcode, name] : std::initializer_list<numbered>{
             {0x1a, "Directive Receive"}, {0x82, "Security Receive"}, {0x86, "Get LBA Status"}})
        refused.fails("opcode " + hex(opcode) + ": " + name,
                      nvme::make_command(static_cast<std::uint8_t>(opcode), 1, 64), invalid_opcode, 0, 0, bytes(64));

    row_adder discovery(to, "Admin command", queue::discovery);
    discovery.fails("Abort, to a discovery controller", nvme::make_abort(0, 0), invalid_opcode, 0);
}

}  // namespace causeway::conformance
