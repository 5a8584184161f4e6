// SPDX-License-Identifier: Apache-2.0
#include "bdev/device_counters.h"

#include <array>
#include <cstddef>

namespace causeway::bdev {

namespace {

using core::metric;
using core::metric_kind;
using core::metric_unit;
using per_op = core_statistics::per_op;

constexpr std::size_t offset_of(op o, std::size_t in_op) {
    return offsetof(core_statistics, ops) + static_cast<std::size_t>(o) * sizeof(per_op) + in_op;
}

/// An operation, its label, and the members of bdev_get_iostat, which have SPDK's names; empty: it is in none.
struct op_names {
    op operation;
    std::string_view label;
    std::string_view bytes, count, ticks, slowest, fastest;
};
constexpr op_names names[] = {
    {op::read, "read", "bytes_read", "num_read_ops", "read_latency_ticks", "max_read_latency_ticks",
     "min_read_latency_ticks"},
    {op::write, "write", "bytes_written", "num_write_ops", "write_latency_ticks", "max_write_latency_ticks",
     "min_write_latency_ticks"},
    {op::unmap, "unmap", "bytes_unmapped", "num_unmap_ops", "unmap_latency_ticks", "max_unmap_latency_ticks",
     "min_unmap_latency_ticks"},
    {op::copy, "copy", "bytes_copied", "num_copy_ops", "copy_latency_ticks", "max_copy_latency_ticks",
     "min_copy_latency_ticks"},
    {op::compare_and_write, "compare_and_write", "bytes_written", "num_write_ops", "write_latency_ticks",
     "max_write_latency_ticks", "min_write_latency_ticks"},
    {op::flush, "flush", "", "", "", "", ""},
    {op::write_zeroes, "write_zeroes", "", "", "", "", ""},
    {op::compare, "compare", "", "", "", "", ""},
    {op::verify, "verify", "", "", "", "", ""},
};
static_assert(std::size(names) == op_count);

constexpr std::size_t rows_of_an_op = 5;
constexpr std::size_t rows_of_a_device = 4;
constexpr std::size_t at_device = op_count * rows_of_an_op;

/// Amounts come before latencies, as in bdev_get_iostat.
constexpr auto rows = [] {
    std::array<metric, at_device + rows_of_a_device> all{};
    std::size_t next = 0;
    for (const op_names& o : names) {
        const core::label_view label{"op", o.label};
        all[next++] = {"causeway_bdev_blocks_total",
                       o.bytes,
                       metric_kind::counter,
                       "Blocks of the operations that succeeded.",
                       offset_of(o.operation, offsetof(per_op, blocks)),
                       metric_unit::blocks,
                       label};
        all[next++] = {"causeway_bdev_operations_total",
                       o.count,
                       metric_kind::counter,
                       "Operations that succeeded.",
                       offset_of(o.operation, offsetof(per_op, count)),
                       metric_unit::events,
                       label};
    }
    for (const op_names& o : names) {
        const core::label_view label{"op", o.label};
        all[next++] = {"causeway_bdev_latency_ticks_total",
                       o.ticks,
                       metric_kind::counter,
                       "Time from start to completion of the operations that succeeded.",
                       offset_of(o.operation, offsetof(per_op, ticks)),
                       metric_unit::ticks,
                       label};
        all[next++] = {"causeway_bdev_max_latency_ticks",
                       o.slowest,
                       metric_kind::maximum,
                       "Time of the slowest operation since the last reset.",
                       offset_of(o.operation, offsetof(per_op, slowest)),
                       metric_unit::ticks,
                       label};
        all[next++] = {"causeway_bdev_min_latency_ticks",
                       o.fastest,
                       metric_kind::minimum,
                       "Time of the fastest operation since the last reset.",
                       offset_of(o.operation, offsetof(per_op, fastest)),
                       metric_unit::ticks,
                       label};
    }
    all[next++] = {"causeway_bdev_failed_operations_total", "", metric_kind::counter,
                   "Operations that ended with another status than success.", offsetof(core_statistics, failed)};
    all[next++] = {"causeway_bdev_miscompared_operations_total", "", metric_kind::counter,
                   "Compares that found other data; a part of the failed operations.",
                   offsetof(core_statistics, miscompared)};
    all[next++] = {"causeway_bdev_started_operations_total", "", metric_kind::counter, "Operations that were started.",
                   offsetof(core_statistics, started)};
    all[next++] = {"causeway_bdev_completed_operations_total", "", metric_kind::counter,
                   "Operations that were completed, with whatever status.", offsetof(core_statistics, completed)};
    return all;
}();
static_assert(core::lists_each_counter(rows, offsetof(core_statistics, idle)));

}  // namespace

constexpr core::metric_table<core_statistics> device_counters{"bdev", rows};

const core::metric& failed_operations() noexcept {
    return rows[at_device];
}
const core::metric& miscompared_operations() noexcept {
    return rows[at_device + 1];
}

core::counter_group counters_of(const device& d) {
    return {device_counters, {{"bdev", d.name()}}, d.stats()};
}

}  // namespace causeway::bdev
