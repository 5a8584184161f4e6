// SPDX-License-Identifier: Apache-2.0
// Flush: of one namespace, or of all, one after the other. Runs on the qpair's core.

#include "nvmf/command/io_sequence.h"
#include "nvmf/core_counters.h"

namespace causeway::nvmf {

namespace {

void end(request& r, nvme::status s) noexcept {
    if (r.ns)
        release_namespace(r);
    r.qpair->counters->completed_nvme_io.add(s.ok());
    finish_logged(r, s);
}

bdev::device* prepare(request& r) noexcept {
    r.io.operation = bdev::op::flush;
    r.io.offset_blocks = 0;
    r.io.length_blocks = 0;
    r.io.data = {};
    return r.ns->device;
}

/// What has no cache has nothing to flush.
bool wants_flush(const core_namespace& ns) noexcept {
    return ns.device->capabilities().supports(bdev::op::flush);
}

bdev::device* the_one(request& r) noexcept {
    return std::exchange(r.cursor, 1) == 0 && wants_flush(*r.ns) ? prepare(r) : nullptr;
}

/// Namespaces may come and go meanwhile: `cursor` is the nsid of the last one.
bdev::device* the_next(request& r) noexcept {
    if (r.ns)
        release_namespace(r);
    while (core_namespace* ns = r.qpair->namespaces->after(r.cursor)) {
        r.cursor = ns->nsid;
        if (!wants_flush(*ns))
            continue;
        r.ns = ns;
        ++ns->in_flight;
        return prepare(r);
    }
    return nullptr;
}

}  // namespace

verdict check_flush(request&, const core_namespace&) noexcept {
    return {};
}

void run_flush(request& r) noexcept {
    r.cursor = 0;
    r.ns = nullptr;
    if (r.command.nsid == nvme::broadcast_nsid)
        run_io_sequence<the_next, end>(r);
    else if (acquire_namespace(r))
        run_io_sequence<the_one, end>(r);
}

}  // namespace causeway::nvmf
