// SPDX-License-Identifier: Apache-2.0
// Copy: ranges of blocks to one place, by one device I/O. NVM Command Set Specification 1.0, "Copy command". Runs on
// the qpair's core.

#include "nvmf/command/io_commands.h"
#include "nvmf/command/ranges.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

namespace {

// Bytes of the command, for the error log.
constexpr unsigned at_opcode = offsetof(nvme::command, opcode);
constexpr unsigned at_sdlba = offsetof(nvme::command, cdw10);
constexpr unsigned at_ranges = offsetof(nvme::command, cdw12);
constexpr unsigned at_format = offsetof(nvme::command, cdw12) + 1;
constexpr unsigned at_dtype = offsetof(nvme::command, cdw12) + 2;

void done(bdev::io& i) noexcept {
    request& r = *static_cast<request*>(i.context);
    const nvme::status s = i.status;
    release_namespace(r);
    // Dword 0 is the first source that was not copied. Devices do not say which: it stays 0, and the host copies all of
    // them again.
    if (!s.ok())
        return finish_logged(r, s);
    qpair_target_side& q = side_of(*r.qpair);
    q.counts.write_commands.add();
    q.counters->completed_nvme_io.add();
    finish(r, s);
}

}  // namespace

verdict check_copy(request& r, const core_namespace& ns) noexcept {
    const nvme::copy_view c{r.command};
    if (!ns.device->capabilities().supports(bdev::op::copy))
        return {nvme::sc::invalid_opcode.with_dnr(), at_opcode};
    if (c.descriptor_format() != 0)
        return wrong_field(at_format);
    if (c.dtype() != 0)  // directives are not supported: no streams
        return wrong_field(at_dtype, 4);
    if (c.ranges() > max_copy_sources(*ns.device))
        return {nvme::sc::command_size_limit_exceeded.with_dnr(), at_ranges};
    if (!holds(ns, c.sdlba(), c.ranges()))  // a block of each at least; the device sees how many there are
        return {nvme::sc::lba_out_of_range.with_dnr(), at_sdlba};
    r.length = c.ranges() * sizeof(nvme::copy_range);
    return {};
}

void run_copy(request& r) noexcept {
    core_namespace* ns = acquire_namespace_to_change(r);
    if (!ns)
        return;
    const nvme::copy_view c{r.command};
    request_target_side& mine = side_of(r);
    mine.io.operation = bdev::op::copy;
    mine.io.force_unit_access = c.fua();
    mine.io.offset_blocks = c.sdlba();
    mine.io.length_blocks = 0;
    for (std::uint32_t i = 0; i < c.ranges(); ++i) {
        const auto range = range_at<nvme::copy_range>(r, i);
        mine.copy_sources[i] = {range.slba, range.nlb + 1u};
        mine.io.length_blocks += range.nlb + 1u;
    }
    mine.io.sources = {mine.copy_sources.data(), c.ranges()};
    mine.io.data = {};
    mine.io.done = done;
    mine.io.context = &r;
    charge(r, *ns, bdev::op::read, mine.io.length_blocks);
    charge(r, *ns, bdev::op::write, mine.io.length_blocks);
    ns->device->start(mine.io);  // which checks every range before it touches the first
}

}  // namespace causeway::nvmf
