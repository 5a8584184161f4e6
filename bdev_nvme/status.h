// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/status.h"

namespace causeway::bdev_nvme {

/// What was in flight when its controller was reset, or timed out: it may have been done or not. The host tries again,
/// on this path or another.
inline constexpr nvme::status interrupted = nvme::sc::internal_path_error;

/// The controller has failed or is gone, and with it the only way to the medium.
inline constexpr nvme::status lost = nvme::sc::internal_path_error.with_dnr();

/// Translates a device's status into the status that hosts get.
///
/// What it says of the medium, of the blocks and of the command as the host gave it goes on as it is, DNR included.
/// What it says of the command as *we* gave it (pointers, identifiers, queues) does not concern a host: an internal
/// error. More is left out, for it refers to a log page that hosts cannot read, and so is the retry delay, an index
/// into the device's own table. Pure.
constexpr nvme::status to_host(nvme::status s) noexcept {
    if (s.ok())
        return nvme::sc::success;
    const nvme::status plain = s.with_more(false).with_crd(0);
    switch (s.type()) {
    case nvme::sct::media: return plain;
    case nvme::sct::generic:
        for (const nvme::status known :
             {nvme::sc::lba_out_of_range, nvme::sc::capacity_exceeded, nvme::sc::namespace_not_ready,
              nvme::sc::reservation_conflict, nvme::sc::format_in_progress, nvme::sc::namespace_is_write_protected,
              nvme::sc::command_interrupted, nvme::sc::transient_transport_error, nvme::sc::sanitize_in_progress,
              nvme::sc::sanitize_failed, nvme::sc::aborted_power_loss, nvme::sc::aborted_failed_fused,
              nvme::sc::atomic_write_unit_exceeded, nvme::sc::data_transfer_error})
            if (s.is(known))
                return plain;
        if (s.is(nvme::sc::aborted_by_request) || s.is(nvme::sc::aborted_sq_deletion))
            return interrupted;  // by us, never by the host
        return nvme::sc::internal_error.with_dnr(s.dnr());
    case nvme::sct::command_specific:
        if (s.is(nvme::sc::command_size_limit_exceeded) || s.is(nvme::sc::write_to_read_only_range))
            return plain;
        return nvme::sc::internal_error.with_dnr(s.dnr());
    default: return nvme::sc::internal_error.with_dnr(s.dnr());
    }
}

}  // namespace causeway::bdev_nvme
