// SPDX-License-Identifier: Apache-2.0
// Get Features and Set Features. NVM Express Base Specification 2.0, "Feature Identifiers".

#include "tests/conformance/row_makers.h"

#include "nvme/features.h"

namespace causeway::conformance {

namespace {

using nvme::fid;

nvme::command get(unsigned f, unsigned select = 0) {
    nvme::command c = nvme::make_get_features(fid{static_cast<std::uint8_t>(f)});
    c.cdw10 = c.cdw10 | select << 8;
    return c;
}

nvme::command set(unsigned f, std::uint32_t value) {
    return nvme::make_set_features(fid{static_cast<std::uint8_t>(f)}, value);
}

/// Features that a controller for I/O has and whose value is in Dword 0.
constexpr struct {
    unsigned id;
    const char* name;
} words[] = {
    {0x01, "Arbitration"},        {0x02, "Power Management"}, {0x04, "Temperature Threshold"},
    {0x05, "Error Recovery"},     {0x07, "Number of Queues"}, {0x0a, "Write Atomicity Normal"},
    {0x0b, "Async Event Config"}, {0x0f, "Keep Alive Timer"},
};

constexpr struct {
    unsigned id;
    const char* name;
} absent[] = {
    {0x03, "LBA Range Type"},           {0x08, "Interrupt Coalescing"},        {0x09, "Interrupt Vector"},
    {0x0c, "Autonomous Power State"},   {0x0d, "Host Memory Buffer"},          {0x0e, "Timestamp"},
    {0x10, "Thermal Management"},       {0x11, "Non-Operational Power State"}, {0x12, "Read Recovery Level"},
    {0x13, "Predictable Latency Mode"}, {0x15, "LBA Status Information"},      {0x17, "Sanitize"},
    {0x19, "I/O Command Set Profile"},  {0x80, "Software Progress Marker"},    {0xc0, "vendor specific"},
};

}  // namespace

void add_feature_rows(std::vector<row>& to, const target_info&) {
    row_adder getter(to, "Get Features", queue::admin);
    for (const auto& w : words)
        for (const unsigned select : {0, 1, 3}) {
            static constexpr const char* kinds[] = {"current", "default", "saved", "supported capabilities"};
            getter.works("FID " + hex(w.id) + ": " + w.name + ", " + kinds[select], get(w.id, select));
        }
    getter.works("FID 16h: Host Behavior Support", get(0x16), bytes(512));
    getter.works("FID 81h: Host Identifier, 128 bits", with(get(0x81), [](auto& c) { c.cdw11 = 1; }), bytes(16));
    getter.fails("FID 81h: Host Identifier, 64 bits", get(0x81), invalid_field, at_cdw11, 0, bytes(16)).note =
        "fabrics have identifiers of 128 bits only";
    getter.fails("SEL 4: reserved", get(0x01, 4), invalid_field, 41);
    for (const auto& f : absent)
        getter.fails("FID " + hex(f.id) + ": " + f.name, get(f.id), invalid_field, at_cdw10);

    row_adder setter(to, "Set Features", queue::admin);
    for (const auto& f : absent)
        setter.fails("FID " + hex(f.id) + ": " + f.name, set(f.id, 0), invalid_field, at_cdw10);
    setter.works("FID 02h: power state 0", set(0x02, 0));
    setter.fails("FID 02h: power state 1", set(0x02, 1), invalid_field, at_cdw11).note = "there is one power state";
    setter.works("FID 04h: the composite temperature, over", set(0x04, 343));
    setter.fails("FID 04h: a sensor that is not there", set(0x04, 7u << 16 | 343), invalid_field, 46);
    setter.fails("FID 04h: THSEL 2, reserved", set(0x04, 2u << 20 | 343), invalid_field, 46);
    setter.fails("FID 05h: DULBE", set(0x05, 1u << 16), invalid_field, 46).note =
        "no namespace reports deallocated blocks";
    setter.fails("FID 06h: no volatile write cache", set(0x06, 0), invalid_field, at_cdw10);
    setter.fails("FID 07h: while there are I/O queues", set(0x07, 0), sc::command_sequence_error, at_cdw10).note =
        "Linux asks before it connects them";
    setter.fails("FID 0Bh: discovery log changes, of an I/O controller", set(0x0b, 1u << 31), invalid_field, 47, 7);
    setter.fails("FID 0Fh: KATO 0", set(0x0f, 0), sc::keep_alive_invalid.with_dnr(), at_cdw11).note =
        "a fabric gives no other sign of a host that has died";
    bytes behavior(512);
    setter.works("FID 16h: nothing", set(0x16, 0), behavior);
    behavior[0] = std::byte{2};
    setter.fails_without_location("FID 16h: ACRE 2", set(0x16, 0), invalid_field, behavior);
    setter.fails("FID 81h: Host Identifier", set(0x81, 1), sc::command_sequence_error.with_dnr(), at_cdw10).note =
        "over fabrics, Connect sets it";
    setter.fails("SV: save", with(set(0x01, 0), [](auto& c) { c.cdw10 = c.cdw10 | 1u << 31; }),
                 sc::feature_not_saveable.with_dnr(), 43, 7);
    setter.fails("NSID 1: of a feature of the controller", with(set(0x01, 0), [](auto& c) { c.nsid = 1; }),
                 sc::feature_not_namespace_specific.with_dnr(), at_nsid);

    row_adder discovery(to, "Get Features", queue::discovery);
    discovery.works("FID 0Bh, of a discovery controller", get(0x0b));
    discovery.works("FID 0Fh, of a discovery controller", get(0x0f));
    discovery.fails("FID 07h: it has no I/O queues", get(0x07), invalid_field, at_cdw10);
}

}  // namespace causeway::conformance
