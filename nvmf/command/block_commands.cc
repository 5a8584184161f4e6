// SPDX-License-Identifier: Apache-2.0
// Read, Write, Compare, Write Zeroes and Verify: one range of blocks, one device I/O. Runs on the qpair's core.

#include "nvmf/command/io_commands.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

using bdev::op;

namespace {

// Bytes of the command, for the error log.
constexpr unsigned at_slba = offsetof(nvme::command, cdw10);
constexpr unsigned at_nlb = offsetof(nvme::command, cdw12);
constexpr unsigned at_dtype = offsetof(nvme::command, cdw12) + 2;

// Inlined: the calls would cost each command more than the checks do.
[[gnu::always_inline]] inline verdict check_range(const nvme::block_command_view& c,
                                                  const core_namespace& ns) noexcept {
    if (!holds(ns, c.slba(), c.blocks())) [[unlikely]]
        return {nvme::sc::lba_out_of_range.with_dnr(), at_slba};
    return {};
}

[[gnu::always_inline]] inline verdict check_transfer(request& r, const core_namespace& ns) noexcept {
    const nvme::block_command_view c{r.command};
    const std::uint64_t bytes = std::uint64_t{c.blocks()} << ns.block_shift;
    if (bytes > side_of(*r.qpair).max_io_bytes) [[unlikely]]
        return wrong_field(at_nlb);
    r.length = static_cast<std::uint32_t>(bytes);
    return check_range(c, ns);
}

[[gnu::always_inline]] inline verdict check_write_transfer(request& r, const core_namespace& ns) noexcept {
    // Directives are not supported: no streams.
    if (nvme::block_command_view{r.command}.dtype() != 0) [[unlikely]]
        return wrong_field(at_dtype, 4);
    return check_transfer(r, ns);
}

/// As admit(), without looking at the table again.
template <io_direction Direction>
[[gnu::always_inline]] inline verdict admit_transfer(request& r, const core_namespace& ns) noexcept {
    if (ns.qos->credit.take({1, r.length, Direction})) [[likely]]
        return {};
    return draw_or_wait(r, ns);
}

template <op Op>
void count(qpair_io_counts& c, std::uint64_t units) noexcept {
    if constexpr (Op == op::read || Op == op::compare || Op == op::verify) {
        c.read_commands.add();
        c.read_units.add(units);
    } else {
        c.write_commands.add();
        if constexpr (Op == op::write)  // as SMART wants it: data that came from the host
            c.write_units.add(units);
    }
}

/// Of 512 bytes. What is verified is read, although it does not come to us.
template <op Op>
std::uint64_t units_of(const request& r) noexcept {
    const bdev::io& io = side_of(r).io;
    return Op == op::verify ? io.length_blocks * (io.owner->geometry().block_size >> 9) : r.length >> 9;
}

template <op Op>
void done(bdev::io& i) noexcept {
    request& r = *static_cast<request*>(i.context);
    const nvme::status s = i.status;
    release_namespace(r);
    if (!s.ok()) [[unlikely]]
        return finish_logged(r, s);
    qpair_target_side& q = side_of(*r.qpair);
    count<Op>(q.counts, units_of<Op>(r));
    q.counters->completed_nvme_io.add();
    finish(r, s);
}

template <op Op>
void run(request& r) noexcept {
    core_namespace* ns = bdev::changes_content(Op) ? acquire_namespace_to_change(r) : acquire_namespace(r);
    if (!ns) [[unlikely]]
        return;
    const nvme::block_command_view c{r.command};
    bdev::io& io = side_of(r).io;
    io.operation = Op;
    io.force_unit_access = c.fua();
    if constexpr (Op == op::write_zeroes)
        io.deallocate = c.deac();
    io.offset_blocks = c.slba();
    io.length_blocks = c.blocks();
    constexpr bool has_data = Op != op::write_zeroes && Op != op::verify;
    io.data = has_data ? r.data() : std::span<const iovec>();
    io.done = done<Op>;
    io.context = &r;
    ns->device->start(io);
}

}  // namespace

verdict check_read(request& r, const core_namespace& ns) noexcept {
    return check_transfer(r, ns);
}

verdict check_compare(request& r, const core_namespace& ns) noexcept {
    return check_transfer(r, ns);
}

verdict check_write(request& r, const core_namespace& ns) noexcept {
    return check_write_transfer(r, ns);
}

verdict check_throttled_read(request& r, const core_namespace& ns) noexcept {
    if (const verdict v = check_transfer(r, ns); !v.ok()) [[unlikely]]
        return v;
    return admit_transfer<io_direction::read>(r, ns);
}

verdict check_throttled_write(request& r, const core_namespace& ns) noexcept {
    if (const verdict v = check_write_transfer(r, ns); !v.ok()) [[unlikely]]
        return v;
    return admit_transfer<io_direction::write>(r, ns);
}

verdict check_write_zeroes(request& r, const core_namespace& ns) noexcept {
    const nvme::block_command_view c{r.command};
    if (ns.max_zeroes && c.blocks() > ns.max_zeroes)
        return wrong_field(at_nlb);
    return check_range(c, ns);
}

verdict check_verify(request& r, const core_namespace& ns) noexcept {
    if (!ns.device->capabilities().supports(op::verify))
        return {nvme::sc::invalid_opcode.with_dnr(), offsetof(nvme::command, opcode)};
    return check_range(nvme::block_command_view{r.command}, ns);
}

void run_read(request& r) noexcept {
    run<op::read>(r);
}
void run_write(request& r) noexcept {
    run<op::write>(r);
}
void run_compare(request& r) noexcept {
    run<op::compare>(r);
}
void run_write_zeroes(request& r) noexcept {
    run<op::write_zeroes>(r);
}
void run_verify(request& r) noexcept {
    run<op::verify>(r);
}

}  // namespace causeway::nvmf
