// SPDX-License-Identifier: Apache-2.0
// Dataset Management: Deallocate unmaps up to 256 ranges; the other attributes are hints, and taken as such.
// Runs on the qpair's core.

#include "nvmf/command/io_sequence.h"
#include "nvmf/command/ranges.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

namespace {

/// All ranges before the first is touched: a command either is good or does nothing.
verdict check_ranges(const request& r, const core_namespace& ns) noexcept {
    const nvme::dsm_view c{r.command};
    for (std::uint32_t i = 0; i < c.ranges(); ++i) {
        const auto range = range_at<nvme::dsm_range>(r, i);
        if (!holds(ns, range.slba, range.nlb))
            return nvme::sc::lba_out_of_range.with_dnr();
        if (c.deallocate() && ns.max_deallocate && range.nlb > ns.max_deallocate)
            return nvme::sc::command_size_limit_exceeded.with_dnr();
    }
    return {};
}

void end(request& r, nvme::status s) noexcept {
    release_namespace(r);
    qpair_target_side& q = side_of(*r.qpair);
    if (s.ok()) {
        q.counters->completed_nvme_io.add();
        q.counts.write_commands.add();
    }
    finish_logged(r, s);
}

/// Whether the next range may be touched: the host may have given the command up while one was under way, or may have
/// been told to use another path, and may have written there since.
verdict check_next_range(request& r) noexcept {
    if (is_stale(r) || r.qpair->phase() != qpair::state::enabled)
        return nvme::sc::command_interrupted;
    // The table may have another entry of the namespace now, which alone is kept up to date.
    const core_namespace* const listed = side_of(*r.qpair).namespaces->find(r.command.nsid);
    const core_namespace& mine = *side_of(r).ns;
    const core_namespace& ns = listed && listed->generation == mine.generation ? *listed : mine;
    return ns.admission == side_of(r).ns_admission ? verdict() : check_again(r, &ns);
}

bdev::device* next_range(request& r) noexcept {
    const nvme::dsm_view c{r.command};
    request_target_side& mine = side_of(r);
    if (mine.cursor > 0 && !check_next_range(r).ok()) [[unlikely]]
        return nullptr;
    while (mine.cursor < c.ranges()) {
        const auto range = range_at<nvme::dsm_range>(r, mine.cursor++);
        if (range.nlb == 0)
            continue;
        mine.io.operation = bdev::op::unmap;
        mine.io.offset_blocks = range.slba;
        mine.io.length_blocks = range.nlb;
        mine.io.data = {};
        return mine.ns->device;
    }
    return nullptr;
}

/// Where ranges are left, somebody who is still there has to send the command again.
void end_ranges(request& r, nvme::status s) noexcept {
    if (!s.ok() || side_of(r).cursor == nvme::dsm_view{r.command}.ranges())
        return end(r, s);
    if (is_stale(r))
        side_of(*r.qpair).counters->stale_commands.add();
    end(r, check_next_range(r).status);
}

}  // namespace

verdict check_dsm(request& r, const core_namespace&) noexcept {
    r.length = nvme::dsm_view{r.command}.ranges() * sizeof(nvme::dsm_range);
    return {};
}

void run_dsm(request& r) noexcept {
    core_namespace* ns = acquire_namespace_to_change(r);
    if (!ns)
        return;
    if (const verdict v = check_ranges(r, *ns); !v.ok()) {
        release_namespace(r);
        return finish_logged(r, v);
    }
    // Deallocation is advice: a device that cannot follow it has not failed.
    if (!nvme::dsm_view{r.command}.deallocate() || !ns->device->capabilities().supports(bdev::op::unmap))
        return end(r, nvme::sc::success);
    side_of(r).io.force_unit_access = false;
    side_of(r).cursor = 0;
    run_io_sequence<next_range, end_ranges>(r);
}

}  // namespace causeway::nvmf
