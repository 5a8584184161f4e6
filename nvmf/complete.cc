// SPDX-License-Identifier: Apache-2.0
#include "nvmf/complete.h"

#include "nvmf/core_counters.h"
#include "nvmf/model/controller.h"
#include "nvmf/target_side.h"
#include "nvmf/trace.h"

namespace causeway::nvmf {

namespace {

/// Where a command with this opcode has an LBA. Fabrics and admin commands have none.
std::uint64_t lba_of(const request& r) noexcept {
    return r.qpair->qid() != 0 && r.command.opcode != nvme::fabrics_opcode ? nvme::block_command_view{r.command}.slba()
                                                                           : 0;
}

/// Nothing went wrong with these: a waiter exists.
bool taken_back(nvme::status s) noexcept {
    return s.is(nvme::sc::aborted_by_request) || s.is(nvme::sc::aborted_sq_deletion);
}

}  // namespace

nvme::status log_error(request& r, verdict v) noexcept {
    trace_refused(r, v);
    const qpair_target_side& q = side_of(*r.qpair);
    if (!q.controller || taken_back(v.status))
        return v.status;
    const nvme::status s = v.status.with_more();
    nvme::error_information_entry e{};
    e.sqid = q.qid;
    e.cid = r.command.cid;
    e.status_word = s.to_word();
    e.parameter_error_location = v.location;
    e.lba = lba_of(r);
    e.nsid = r.command.opcode == nvme::fabrics_opcode ? std::uint32_t{0} : r.command.nsid.value();
    e.trtype = q.controller->trtype();
    q.controller->errors().add(e);
    return s;
}

nvme::status refuse(request& r, verdict v) noexcept {
    side_of(*r.qpair).counters->refused_commands.add();
    return log_error(r, v);
}

void finish(request& r, nvme::status s) noexcept {
    qpair& q = *r.qpair;
    r.set_status(s);
    trace_completion(r);
    qpair_target_side& side = side_of(q);
    --side.executing;
    q.respond(r);  // r may carry the next command now
    if (side.drained && side.executing == 0) [[unlikely]]
        q.home().post(*std::exchange(side.drained, nullptr));
}

void finish_logged(request& r, verdict v) noexcept {
    if (!v.ok()) [[unlikely]] {
        side_of(*r.qpair).counters->failed_commands.add();
        v.status = log_error(r, v);
    }
    finish(r, v.status);
}

void finish_on_home_core(request& r, verdict v) noexcept {
    // The location does not travel: the entry is made here.
    r.set_status(v.ok() ? v.status : log_error(r, v));
    r.handle = [](core::message& m) noexcept {
        request& r = static_cast<request&>(m);
        if (!r.status().ok())
            side_of(*r.qpair).counters->failed_commands.add();
        finish(r, r.status());
    };
    r.qpair->home().post(r);
}

}  // namespace causeway::nvmf
