// SPDX-License-Identifier: Apache-2.0
// Flush: of one namespace, or of all, one after the other. Runs on the qpair's core.

#include "nvmf/command/io_sequence.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

namespace {

void end(request& r, nvme::status s) noexcept {
    if (side_of(r).ns)
        release_namespace(r);
    side_of(*r.qpair).counters->completed_nvme_io.add(s.ok());
    finish_logged(r, s);
}

bdev::device* prepare(request& r) noexcept {
    request_target_side& mine = side_of(r);
    mine.io.operation = bdev::op::flush;
    mine.io.offset_blocks = 0;
    mine.io.length_blocks = 0;
    mine.io.data = {};
    return mine.ns->device;
}

/// What has no cache has nothing to flush.
bool wants_flush(const core_namespace& ns) noexcept {
    return ns.device->capabilities().supports(bdev::op::flush);
}

bdev::device* the_one(request& r) noexcept {
    request_target_side& mine = side_of(r);
    return std::exchange(mine.cursor, 1) == 0 && wants_flush(*mine.ns) ? prepare(r) : nullptr;
}

/// Namespaces may come and go meanwhile: `cursor` is the nsid of the last one.
bdev::device* the_next(request& r) noexcept {
    request_target_side& mine = side_of(r);
    if (mine.ns)
        release_namespace(r);
    while (core_namespace* ns = side_of(*r.qpair).namespaces->after(mine.cursor)) {
        mine.cursor = ns->nsid;
        if (!wants_flush(*ns) || ns->is_hidden_from(side_of(*r.qpair).host_number))
            continue;
        mine.ns = ns;
        ++ns->in_flight;
        return prepare(r);
    }
    return nullptr;
}

/// Of all namespaces that the host sees, before the first is flushed: a host that hears of success relies on them all.
verdict check_all(const request& r) noexcept {
    const qpair_target_side& q = side_of(*r.qpair);
    for (const core_namespace* ns = q.namespaces->after(0); ns; ns = q.namespaces->after(ns->nsid)) {
        if (ns->refusals == 0 || ns->is_hidden_from(q.host_number))
            continue;
        if (const verdict v = check_refusals(r, *ns); !v.ok())
            return v;
    }
    return {};
}

}  // namespace

verdict check_flush(request&, const core_namespace&) noexcept {
    return {};
}

void run_flush(request& r) noexcept {
    request_target_side& mine = side_of(r);
    mine.cursor = 0;
    mine.ns = nullptr;
    if (r.command.nsid == nvme::broadcast_nsid) {
        if (const verdict v = check_all(r); !v.ok())
            return finish_logged(r, v);
        run_io_sequence<the_next, end>(r);
    } else if (acquire_namespace(r))
        run_io_sequence<the_one, end>(r);
}

}  // namespace causeway::nvmf
