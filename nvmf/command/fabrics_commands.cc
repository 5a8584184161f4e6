// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/fabrics_commands.h"

#include "core/log.h"
#include "nvme/fabrics.h"
#include "nvmf/command/authentication.h"
#include "nvmf/command/control_work.h"
#include "nvmf/complete.h"
#include "nvmf/target_side.h"

#include <bit>
#include <cstddef>

namespace causeway::nvmf {

namespace {

constexpr unsigned at_fctype = offsetof(nvme::fabrics_command, type);

verdict check_connect(request& r) noexcept {
    if (const std::uint16_t format = std::bit_cast<nvme::connect_command>(r.command).recfmt; format != 0) {
        static core::log::limiter refusals;
        core::log::peer_warning(refusals, "rejecting {}: its Connect has record format {}, only 0 is supported",
                                r.qpair->peer_address().text(), format);
        return {nvme::sc::connect_incompatible_format.with_dnr(), offsetof(nvme::connect_command, recfmt)};
    }
    r.length = sizeof(nvme::connect_data);
    return {};
}

verdict check_disconnect(request& r) noexcept {
    if (std::bit_cast<nvme::disconnect_command>(r.command).recfmt != 0)
        return {nvme::sc::connect_incompatible_format.with_dnr(), offsetof(nvme::disconnect_command, recfmt)};
    return {};
}

void run_disconnect(request& r) noexcept {
    qpair& q = *r.qpair;
    finish(r, nvme::sc::success);
    q.disconnect(disconnect_reason::host_asked);
}

// clang-format off
constexpr auto admin = fabrics_command::queue::admin;
constexpr auto io = fabrics_command::queue::io;
constexpr auto any = fabrics_command::queue::any;
constexpr auto before = fabrics_command::phase::before_connect;
constexpr auto unproven = fabrics_command::phase::before_authentication;
constexpr auto after = fabrics_command::phase::after_authentication;
constexpr auto none = transfer::none;
constexpr auto from_host = transfer::from_host;
constexpr auto to_host = transfer::to_host;

constexpr fabrics_command list[] = {
    {0x00, "property_set",           admin, after,    none,      nullptr,            run_at_control<property_set>},
    {0x01, "connect",                any,   before,   from_host, check_connect,      run_connect},
    {0x04, "property_get",           admin, after,    none,      nullptr,            run_at_control<property_get>},
    {0x05, "authentication_send",    any,   unproven, from_host, check_auth_send,    run_at_control<auth_send>},
    {0x06, "authentication_receive", any,   unproven, to_host,   check_auth_receive, run_at_control<auth_receive>},
    {0x08, "disconnect",             io,    after,    none,      check_disconnect,   run_disconnect},
};
// clang-format on

/// Before Connect, and before authentication where it is required, a host does not learn what else is supported. A
/// second Connect is final; one that comes while another runs, or while the connection closes, is not.
verdict check_phase(const fabrics_command& c, const qpair& q) noexcept {
    if (c.allowed != before && !q.is_connected())
        return {nvme::sc::command_sequence_error, at_fctype};
    if (c.allowed != before && c.allowed != unproven && side_of(q).must_authenticate)
        return {nvme::sc::auth_required, at_fctype};
    if (c.allowed != before)
        return {};
    if (q.phase() == qpair::state::enabled)
        return {nvme::sc::command_sequence_error.with_dnr(), at_fctype};
    if (q.phase() == qpair::state::disconnecting || side_of(q).connect_runs)
        return {nvme::sc::command_sequence_error, at_fctype};
    return {};
}

verdict check_queue(const fabrics_command& c, const qpair& q) noexcept {
    if (c.allowed_on == any || (c.allowed_on == admin) == (q.qid() == 0))
        return {};
    return {nvme::sc::invalid_queue_type.with_dnr(), at_fctype};
}

}  // namespace

const std::array<fabrics_command, 256> fabrics_commands = [] {
    std::array<fabrics_command, 256> table{};
    for (const fabrics_command& c : list)
        table[c.type] = c;
    return table;
}();

verdict check_fabrics(request& r) noexcept {
    const qpair& q = *r.qpair;
    const fabrics_command& c = fabrics_commands[std::bit_cast<nvme::fabrics_command>(r.command).type];
    if (const verdict v = check_phase(c, q); !v.ok())  // first of all
        return v;
    if (c.name.empty())
        return {nvme::sc::invalid_opcode.with_dnr(), at_fctype};
    if (const verdict v = check_queue(c, q); !v.ok())
        return v;
    if (c.check)
        if (const verdict v = c.check(r); !v.ok())
            return v;
    r.transfer = c.direction;
    side_of(r).run = c.run;
    return {};
}

}  // namespace causeway::nvmf
