// SPDX-License-Identifier: Apache-2.0
// Property Get and Property Set. NVMe over Fabrics 1.1, "Property Get Command" and "Property Set Command".

#include "nvme/properties.h"

#include "nvme/fabrics.h"
#include "nvmf/command/fabrics_commands.h"
#include "nvmf/command/version.h"
#include "nvmf/model/controller.h"

#include <bit>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_attrib = offsetof(nvme::property_get_command, attrib);
constexpr unsigned at_offset = offsetof(nvme::property_get_command, ofst);
constexpr unsigned at_value = offsetof(nvme::property_set_command, value);

/// The value of a property; nothing: there is none such.
std::optional<std::uint64_t> value_of(const controller& c, nvme::property p) {
    switch (p) {
    case nvme::property::cap: return c.cap().value;
    case nvme::property::vs: return specification_version;
    case nvme::property::cc: return c.cc().value;
    case nvme::property::csts: return c.csts().value;
    case nvme::property::crto: return nvme::crto().set_crwmt(c.cap().to()).value;
    default: return std::nullopt;
    }
}

bool size_fits(std::uint8_t attrib, nvme::property p) noexcept {
    const auto size = static_cast<nvme::property_size>(attrib & 7);
    return size == (nvme::property_bytes(p) == 8 ? nvme::property_size::bytes8 : nvme::property_size::bytes4);
}

}  // namespace

outcome property_get(controller& c, request& r) {
    const auto command = std::bit_cast<nvme::property_get_command>(r.command);
    const auto property = static_cast<nvme::property>(command.ofst.value());
    const auto value = value_of(c, property);
    if (!value)
        return wrong_field(at_offset);
    if (!size_fits(command.attrib, property))
        return wrong_field(at_attrib);
    r.completion.set_result64(*value);
    return verdict();
}

outcome property_set(controller& c, request& r) {
    const auto command = std::bit_cast<nvme::property_set_command>(r.command);
    const auto property = static_cast<nvme::property>(command.ofst.value());
    if (property != nvme::property::cc)  // the only one here that is not read-only
        return wrong_field(at_offset);
    if (!size_fits(command.attrib, property))
        return wrong_field(at_attrib);
    const nvme::cc value{static_cast<std::uint32_t>(command.value)};
    if (value.shn() == nvme::cc::shutdown::reserved)
        return wrong_field(at_value + 1, 6);
    c.set_cc(value);
    return verdict();
}

}  // namespace causeway::nvmf
