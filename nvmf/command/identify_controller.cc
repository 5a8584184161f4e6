// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/identify_controller.h"

#include "nvme/text.h"
#include "nvmf/command/version.h"
#include "nvmf/model/async_events.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"
#include "nvmf/model/temperature_thresholds.h"

#include <algorithm>
#include <bit>

namespace causeway::nvmf {

namespace {

constexpr unsigned min_page_size = 4096;  // of CAP.MPSMIN
constexpr std::uint8_t abort_limit = 3;   // 0's based

/// What both kinds of controller say.
void describe_any(nvme::identify_controller& id, const controller& c) {
    const transport_options& fabric = c.fabric().options();
    const subsystem_options& s = c.subsystem().options();
    nvme::copy_padded(id.sn, s.serial_number);
    nvme::copy_padded(id.mn, s.model_number);
    nvme::copy_padded(id.fr, firmware_revision);
    id.mdts = static_cast<std::uint8_t>(std::bit_width(fabric.max_io_size / min_page_size) - 1);
    id.cntlid = c.cntlid();
    id.ver = specification_version;
    id.ctratt = nvme::ctratt_extended_host_id;
    id.aerl = async_events::limit - 1;
    id.frmw = nvme::frmw_slot1_read_only | nvme::frmw_slots(1);
    id.elpe = error_log::entries - 1;
    id.kas = std::max<std::uint16_t>(fabric.kas, 1);  // 0 would say that there is no keep alive: hosts refuse that
    id.maxcmd = fabric.max_queue_depth;
    id.sgls = c.fabric().sgls() | nvme::sgls_supported;
    id.ioccsz = c.fabric().ioccsz();
    id.iorcsz = sizeof(nvme::completion) / 16;
    id.msdbd = c.fabric().msdbd();
    nvme::copy_terminated(id.subnqn, c.subsystem().reported_nqn());
}

void describe_discovery(nvme::identify_controller& id) {
    id.cntrltype = nvme::to_underlying(nvme::controller_type::discovery);
    id.dctype = nvme::to_underlying(nvme::discovery_controller_type::direct);
    id.oaes = nvme::oaes_discovery_log_change;
    id.lpa = nvme::lpa_commands_effects | nvme::lpa_extended_data | nvme::lpa_supported_log_pages;
}

constexpr std::uint8_t ana_transition_seconds = 10;  // the established target's figure; hosts wait twice as long

void describe_ana(nvme::identify_controller& id, const ana_groups& groups) {
    id.cmic |= nvme::cmic_ana;
    id.oaes = id.oaes | nvme::oaes_ana_change;
    id.anatt = ana_transition_seconds;
    // Operators move namespaces from group to group, so that their ANAGRPID is not static.
    id.anacap = nvme::anacap_optimized | nvme::anacap_non_optimized | nvme::anacap_inaccessible |
                nvme::anacap_persistent_loss | nvme::anacap_change;
    id.anagrpmax = id.nanagrpid = groups.count();
    id.mnan = groups.count();  // Linux disables ANA where there is none
}

void describe_io(nvme::identify_controller& id, const controller& c) {
    const auto& crdt = c.subsystem().target().crdt;
    id.rab = 6;
    id.cmic = nvme::cmic_multi_port | nvme::cmic_multi_controller;
    id.oaes = nvme::oaes_namespace_attribute;
    id.cntrltype = nvme::to_underlying(nvme::controller_type::io);
    id.crdt1 = crdt[0];
    id.crdt2 = crdt[1];
    id.crdt3 = crdt[2];
    id.acl = abort_limit;
    id.lpa = nvme::lpa_commands_effects | nvme::lpa_extended_data | nvme::lpa_supported_log_pages;
    id.wctemp = warning_kelvin;
    id.cctemp = critical_kelvin;
    id.sqes = 6 << 4 | 6;
    id.cqes = 4 << 4 | 4;
    id.nn = c.subsystem().options().max_namespaces;
    id.oncs = nvme::oncs_compare | nvme::oncs_dataset_management | nvme::oncs_write_zeroes | nvme::oncs_save_select;
    if (c.subsystem().namespaces().all_serve(bdev::op::verify, c))
        id.oncs = id.oncs | nvme::oncs_verify;
    if (c.subsystem().namespaces().all_serve(bdev::op::copy, c)) {
        id.oncs = id.oncs | nvme::oncs_copy;
        id.cdfs = nvme::cdfs_format_0;
    }
    if (c.ana())
        describe_ana(id, c.subsystem().ana());
    if (c.subsystem().namespaces().any_has_reservations(c))  // RESCAP of each says whether it has
        id.oncs = id.oncs | nvme::oncs_reservations;
    id.fuses = nvme::fuses_compare_and_write;
    id.vwc = nvme::vwc_flush_all_supported;
    if (c.subsystem().namespaces().have_volatile_write_cache(c))
        id.vwc |= nvme::vwc_present;
    id.ofcs = nvme::ofcs_disconnect;
    id.cqt = 0;  // no bound would be true: an OSD may make a change long after we have given it up (design.md)
}

}  // namespace

nvme::identify_controller identify_controller(const controller& c) {
    nvme::identify_controller id{};
    describe_any(id, c);
    if (c.is_discovery())
        describe_discovery(id);
    else
        describe_io(id, c);
    return id;
}

}  // namespace causeway::nvmf
