// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/admin_commands.h"

#include "nvmf/command/control_work.h"
#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"

#include <algorithm>
#include <cstring>

namespace causeway::nvmf {

namespace {

constexpr std::uint32_t runs = nvme::effect_supported;  // and none changes a namespace

constexpr unsigned at_flags = offsetof(nvme::command, flags);

// clang-format off
constexpr admin_command list[] = {
    {0x02, "get_log_page",        transfer::to_host,   runs, true,  check_get_log_page, get_log_page},
    {0x06, "identify",            transfer::to_host,   runs, true,  check_identify,     identify},
    {0x08, "abort",               transfer::none,      runs, false, nullptr,            abort},
    {0x09, "set_features",        transfer::from_host, runs, true,  check_set_features, set_features},
    {0x0a, "get_features",        transfer::to_host,   runs, true,  check_get_features, get_features},
    {0x0c, "async_event_request", transfer::none,      runs, true,  nullptr,            async_event_request},
    {0x18, "keep_alive",          transfer::none,      runs, true,  nullptr,            nullptr},
};
// clang-format on

outcome run_by_table(controller& c, request& r) {
    // A reset or the end of the controller has come first. Not final: the host's next controller runs it.
    if (!c.ready())
        return verdict(nvme::sc::aborted_sq_deletion);
    return admin_commands[r.command.opcode].run(c, r);
}

/// On the queue's own core, whatever the control reactor is doing.
void run_keep_alive(request& r) noexcept {
    side_of(*r.qpair).controller->refresh_keep_alive();
    finish(r, nvme::sc::success);
}

}  // namespace

const std::array<admin_command, 256> admin_commands = [] {
    std::array<admin_command, 256> table{};
    for (const admin_command& c : list)
        table[c.opcode] = c;
    return table;
}();

outcome async_event_request(controller& c, request& r) {
    if (!c.events().wait(r))
        return verdict(nvme::sc::async_event_limit_exceeded);
    return {};
}

verdict check_admin(request& r) noexcept {
    const qpair_target_side& q = side_of(*r.qpair);
    if (q.must_authenticate)
        return nvme::sc::auth_required;
    // Not final: before Connect, while disabled, or in its last moment, a controller runs no command, but the host may
    // have one that does at the next try. Linux would remove a disk whose Identify is answered for good.
    if (!q.controller || q.qid != 0 || !q.controller->ready())
        return nvme::sc::command_sequence_error;
    const admin_command& c = admin_commands[r.command.opcode];
    if (c.name.empty() || (q.controller->is_discovery() && !c.for_discovery))
        return {nvme::sc::invalid_opcode.with_dnr(), 0};
    if (r.command.fuse() != nvme::fuse::normal)
        return wrong_field(at_flags);
    if (r.command.psdt() != nvme::psdt::sgl)
        return wrong_field(at_flags, 6);
    if (c.check)
        if (const verdict v = c.check(r); !v.ok())
            return v;
    r.transfer = r.length ? c.direction : transfer::none;
    side_of(r).run = c.run ? run_at_control<run_by_table> : run_keep_alive;
    return {};
}

void set_response_data(request& r, std::span<const std::byte> page, std::uint64_t offset) noexcept {
    page = page.subspan(std::min<std::uint64_t>(offset, page.size()));
    std::size_t left = r.length;
    for (const iovec& piece : r.data()) {
        const std::size_t room = std::min(left, piece.iov_len);
        const std::size_t n = std::min(room, page.size());
        auto* to = static_cast<std::byte*>(piece.iov_base);
        std::memcpy(to, page.data(), n);
        std::memset(to + n, 0, room - n);
        page = page.subspan(n);
        left -= room;
    }
}

}  // namespace causeway::nvmf
