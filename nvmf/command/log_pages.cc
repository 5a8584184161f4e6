// SPDX-License-Identifier: Apache-2.0
// Get Log Page. NVM Express Base Specification 2.0, "Get Log Page command".

#include "nvme/log_page.h"
#include "nvme/text.h"

#include "nvmf/command/admin_commands.h"
#include "nvmf/command/features.h"
#include "nvmf/command/identify_controller.h"
#include "nvmf/command/io_commands.h"
#include "nvmf/command/version.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/media_health.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target_side.h"

namespace causeway::nvmf {

namespace {

constexpr unsigned at_nsid = offsetof(nvme::command, nsid);
constexpr unsigned at_lid = offsetof(nvme::command, cdw10);
constexpr unsigned at_numdl = offsetof(nvme::command, cdw10) + 2;
constexpr unsigned at_lpol = offsetof(nvme::command, cdw12);
constexpr unsigned at_index_offset = offsetof(nvme::command, cdw14) + 2;

using bytes = std::vector<std::byte>;

template <class Page>
bytes bytes_of(const Page& page) {
    const auto raw = std::as_bytes(std::span(&page, 1));
    return {raw.begin(), raw.end()};
}

bytes supported_pages(controller& c);

bytes error_information(controller& c) {
    std::array<nvme::error_information_entry, error_log::entries> all{};
    c.errors().read(all);
    return bytes_of(all);
}

/// Data units are thousands of 512 bytes, rounded up.
nvme::le128 data_units(std::uint64_t units_of_512) {
    return {(units_of_512 + 999) / 1000, std::uint64_t{0}};
}
nvme::le128 wide(std::uint64_t n) {
    return {n, std::uint64_t{0}};
}

bytes smart(controller& c) {
    const controller::totals t = c.io_totals();
    nvme::smart_log log = media_health(c);
    log.data_units_read = data_units(t.read_units);
    log.data_units_written = data_units(t.write_units);
    log.host_read_commands = wide(t.read_commands);
    log.host_write_commands = wide(t.write_commands);
    log.power_on_hours = wide(std::max<std::uint64_t>(log.power_on_hours.low, c.age_hours()));
    log.error_log_entries = wide(c.errors().count());
    return bytes_of(log);
}

bytes firmware_slots(controller&) {
    nvme::firmware_slot_log log{};
    log.afi = 1;
    nvme::copy_padded(log.frs[0], firmware_revision);
    return bytes_of(log);
}

bytes changed_namespaces(controller& c) {
    return bytes_of(c.changed_namespaces().page());
}

bytes commands_effects(controller& c) {
    nvme::commands_effects_log log{};
    for (const admin_command& a : admin_commands)
        if (!a.name.empty() && (!c.is_discovery() || a.for_discovery))
            log.admin[a.opcode] = a.effects;
    log.admin[nvme::fabrics_opcode] = nvme::effect_supported;
    if (!c.is_discovery()) {
        for (const io_command& i : io_commands)
            if (!i.name.empty() && (!i.required_op || c.subsystem().namespaces().all_serve(*i.required_op, c)) &&
                (!i.of_reservations || c.subsystem().namespaces().any_has_reservations(c)))
                log.io[i.opcode] = i.effects;
        log.io[nvme::fabrics_opcode] = nvme::effect_supported;
    }
    return bytes_of(log);
}

bytes feature_effects_page(controller& c) {
    return bytes_of(feature_effects(c.is_discovery()));
}

bytes reservation_notification(controller& c) {
    return bytes_of(c.reservation_notices().page());
}

/// All zeroes: there is no management interface. Identify's LPA has one bit for this page and three others.
bytes mi_effects(controller&) {
    return bytes(sizeof(nvme::commands_effects_log));
}

/// Answers with a page that is small enough to be made for each part of it.
template <bytes (*Make)(controller&)>
outcome whole(controller& c, request& r) {
    const std::uint64_t offset = nvme::get_log_page_view{r.command}.offset();
    const bytes page = Make(c);
    if (offset > page.size())
        return wrong_field(at_lpol);
    set_response_data(r, page, offset);
    return verdict();
}

outcome discovery(controller& c, request& r) {
    const nvme::get_log_page_view command{r.command};
    const bool extended = command.lsp() & nvme::discovery_log_extended_entries;
    const auto part = c.discovery()->read(command.offset(), r.length, extended);
    if (!part)
        return wrong_field(at_lpol);
    set_response_data(r, *part);
    return verdict();
}

struct log_page {
    nvme::lid id;
    bool for_io, for_discovery;
    outcome (*answer)(controller& c, request& r);
    std::uint32_t options = 0;  ///< LIDSP: what of LSP it knows
};

constexpr log_page pages[] = {
    {nvme::lid::supported_log_pages, true, true, whole<supported_pages>},
    {nvme::lid::error_information, true, true, whole<error_information>},
    {nvme::lid::smart, true, false, whole<smart>},
    {nvme::lid::firmware_slot, true, false, whole<firmware_slots>},
    {nvme::lid::changed_namespace_list, true, false, whole<changed_namespaces>},
    {nvme::lid::commands_effects, true, true, whole<commands_effects>},
    {nvme::lid::feature_effects, true, true, whole<feature_effects_page>},
    {nvme::lid::ana, true, false, ana_log},
    {nvme::lid::mi_commands_effects, true, true, whole<mi_effects>},
    {nvme::lid::discovery, false, true, discovery, nvme::discovery_log_extended_entries},
    {nvme::lid::reservation_notification, true, false, whole<reservation_notification>},
};

bool has(const controller& c, const log_page& p) noexcept {
    if (p.id == nvme::lid::ana && !c.ana())
        return false;
    return c.is_discovery() ? p.for_discovery : p.for_io;
}

bytes supported_pages(controller& c) {
    nvme::supported_log_pages log{};
    for (const log_page& p : pages)
        if (has(c, p))
            log.page[nvme::to_underlying(p.id)] = nvme::log_page_supported | p.options << nvme::log_page_lidsp_shift;
    return bytes_of(log);
}

const log_page* find(const controller& c, nvme::lid id) noexcept {
    for (const log_page& p : pages)
        if (p.id == id && has(c, p))
            return &p;
    return nullptr;
}

}  // namespace

verdict check_get_log_page(request& r) noexcept {
    const nvme::get_log_page_view command{r.command};
    if (command.length_bytes() > side_of(*r.qpair).max_io_bytes)
        return wrong_field(at_numdl);
    if (command.offset_is_index())
        return wrong_field(at_index_offset, 7);
    if (command.offset() % 4 != 0)
        return wrong_field(at_lpol);
    r.length = static_cast<std::uint32_t>(command.length_bytes());
    return {};
}

outcome get_log_page(controller& c, request& r) {
    const nvme::get_log_page_view command{r.command};
    const log_page* p = find(c, command.lid());
    if (!p)
        return verdict(nvme::sc::invalid_log_page.with_dnr(), at_lid);
    if (r.command.nsid != 0 && r.command.nsid != nvme::broadcast_nsid)  // no page is about one namespace
        return wrong_field(at_nsid);
    const outcome answered = p->answer(c, r);
    if (answered->ok() && !command.rae())
        c.log_page_read(command.lid());
    return answered;
}

}  // namespace causeway::nvmf
